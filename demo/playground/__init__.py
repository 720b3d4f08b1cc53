"""
The playground: what goes wrong with replication, in a real Airflow against a local AWS, to be looked at in a browser.

``make playground`` runs it, until Ctrl-C. It is not part of the distribution.
"""
