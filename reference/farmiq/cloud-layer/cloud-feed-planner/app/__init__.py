"""Feed plans of barns."""
