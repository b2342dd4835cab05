"""Work orders as data."""
