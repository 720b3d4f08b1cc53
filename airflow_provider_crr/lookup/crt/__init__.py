"""How S3 is asked through the AWS Common Runtime."""
