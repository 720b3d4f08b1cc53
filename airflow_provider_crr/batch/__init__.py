"""S3 Batch Operations: manifests of what to repair, jobs, their completion reports, and the codes of failures."""
