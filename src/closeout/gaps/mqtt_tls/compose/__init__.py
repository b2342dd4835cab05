"""Brokers in compose files."""
