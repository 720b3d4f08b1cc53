"""The same through the AWS Common Runtime."""
