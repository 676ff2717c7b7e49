"""How right devices and robots are told, against lists that others made."""
