"""Cross-origin policies of Express services."""
