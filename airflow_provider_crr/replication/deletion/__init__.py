"""Deletes the versions that are replicated, and no other."""
