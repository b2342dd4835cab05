"""Ask a cluster."""
