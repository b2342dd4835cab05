"""The only reader and writer of foreign files."""
