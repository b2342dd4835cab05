"""Locate code by parsing it; an anchor never changes what it finds."""
