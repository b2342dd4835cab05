"""Locate code by parsing it; nothing here changes what it finds."""
