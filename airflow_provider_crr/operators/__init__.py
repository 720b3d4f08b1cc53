"""Operators: tasks that do something once."""
