"""HTTP routers of the insights service."""
