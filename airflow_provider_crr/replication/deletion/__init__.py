"""Deleting what is replicated, and nothing else."""
