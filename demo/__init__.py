"""
The demo: the example DAGs in a real Airflow, against a local AWS, on this machine only.

``make demo`` runs it. It is not part of the distribution.
"""
