"""Triggers: the waiting of deferred sensors, run by the triggerer."""
