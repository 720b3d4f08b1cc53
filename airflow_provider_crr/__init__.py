"""
Gate Airflow tasks on Amazon S3 replication, and summarize S3 Inventory by replication status.

Public names are in these modules, and no other; importing this package imports none of them.

- For DAGs: :mod:`.sensors.replication`, :mod:`.sensors.inventory`, :mod:`.operators.inventory`,
  :mod:`.operators.deletion`, :mod:`.operators.rules`, :mod:`.operators.batch_replication`,
  :mod:`.triggers.inventory_report`, :mod:`.notifications.replication`, :mod:`.hooks.replication`,
  :mod:`.hooks.batch_operations`.
- What they take and return: :mod:`.s3.objects`, :mod:`.s3.listing`, :mod:`.replication.status`,
  :mod:`.replication.gate`, :mod:`.replication.rules`, :mod:`.inventory.summary`, :mod:`.batch.job`,
  :mod:`.batch.job_request`, :mod:`.batch.selection`, :mod:`.batch.completion_report`.
- Events: :mod:`.replication.events`, :mod:`.inventory.delivery`, :mod:`.tasks.asset_events`.
- Errors: :mod:`.errors`, :mod:`.failures`.
- What tasks that wait store and send: :mod:`.triggers.replication`, :mod:`.triggers.inventory`,
  :mod:`.triggers.batch_replication`, :mod:`.batch.repair_terms`,
  :mod:`.replication.targets`, :mod:`.tasks.endings`.
- For tests of DAGs: :mod:`.testing`, :mod:`.testing.records`.
- Arguments that several share: :mod:`.sensors.base`, :mod:`.triggers.base`, :mod:`.tasks.connection`.
"""

__version__ = "0.1.0"
