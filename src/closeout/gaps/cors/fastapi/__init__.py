"""Cross-origin policies of FastAPI services."""
