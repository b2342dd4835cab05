"""The Invoke collections: a few lines a task, no logic."""
