"""How S3 is asked for the replication status of many objects."""
