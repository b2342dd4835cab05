"""Daily figures of farms, barns and batches."""
