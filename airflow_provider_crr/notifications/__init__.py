"""Notifiers: what people are told when a task fails."""
