"""What does the inventory report say? Read from S3 Inventory."""
