"""See that the headers are there, and that they break nothing."""
