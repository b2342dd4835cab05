"""Limiters of Express services."""
