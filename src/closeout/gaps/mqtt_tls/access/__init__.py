"""Who may do what on the broker: read from the tree's clients and its example of a list."""
