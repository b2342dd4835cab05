"""HTTP routers of the vision service."""
