"""Links: buttons on a task instance that lead out of Airflow."""
