"""S3 Batch Operations: the manifest of objects to repair, and the codes of failures."""
