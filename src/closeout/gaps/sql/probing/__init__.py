"""Run the data pipeline on a real PostgreSQL."""
