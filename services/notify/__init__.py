"""Notify: turns case steps into messages to the right adults, each told once."""
