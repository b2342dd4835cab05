"""What the vision service does, free of HTTP."""
