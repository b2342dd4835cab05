"""Invoke collections of the makers."""

from tools.collections import patches, render

MAKERS = (patches.COLLECTION, render.COLLECTION)
"""What `invoke` offers in this project alone."""
