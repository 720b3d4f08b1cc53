"""How numbers, times and the text of strangers are shown."""
