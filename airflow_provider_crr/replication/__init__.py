"""Is this object replicated? Asked of S3, one HEAD an object version."""
