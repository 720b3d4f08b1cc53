"""What of a bucket's replication configuration keeps keys from being replicated, said before anybody waits for them."""
