"""S3 Batch Operations as s3control answers them, and jobs that really replicate."""
