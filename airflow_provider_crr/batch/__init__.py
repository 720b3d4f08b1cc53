"""S3 Batch Operations: the manifest of what is to be repaired, and its failure codes."""
