"""
Gate Airflow tasks on Amazon S3 replication, and summarize S3 Inventory by replication status.

Public modules: :mod:`~airflow_provider_crr.hooks.replication`, :mod:`~airflow_provider_crr.sensors.replication`,
:mod:`~airflow_provider_crr.sensors.inventory`, :mod:`~airflow_provider_crr.operators.inventory`,
:mod:`~airflow_provider_crr.operators.deletion`, :mod:`~airflow_provider_crr.triggers.replication`,
:mod:`~airflow_provider_crr.triggers.inventory`, :mod:`~airflow_provider_crr.triggers.inventory_report`,
:mod:`~airflow_provider_crr.replication.status`, :mod:`~airflow_provider_crr.replication.events` and
:mod:`~airflow_provider_crr.errors`. Importing this package imports nothing else.
"""

__version__ = "0.1.0"
