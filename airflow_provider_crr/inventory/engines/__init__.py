"""How a report is read and summed up."""
