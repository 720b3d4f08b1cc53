"""What S3 is asked and what it answers, below replication and inventory, which do not know each other."""
