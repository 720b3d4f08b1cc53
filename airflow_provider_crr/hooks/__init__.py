"""Hooks: the way to S3 from Airflow code."""
