"""Serve stored models by name."""
