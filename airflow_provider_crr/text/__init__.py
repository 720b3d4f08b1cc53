"""How numbers and times are written for people, and how text of unknown origin is made safe to show."""
