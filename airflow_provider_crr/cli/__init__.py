"""The command line: ``airflow crr``."""
