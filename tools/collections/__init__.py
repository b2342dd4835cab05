"""Invoke collections of the makers."""
