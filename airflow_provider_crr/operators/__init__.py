"""Operators: tasks that do."""
