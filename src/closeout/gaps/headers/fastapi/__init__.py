"""Response headers of FastAPI services."""
