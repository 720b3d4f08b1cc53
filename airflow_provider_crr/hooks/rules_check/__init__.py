"""What a check of replication rules asks of S3 and IAM, by the connection of a hook."""
