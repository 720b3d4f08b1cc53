"""Plugins: what is added to Airflow's own web interface."""
