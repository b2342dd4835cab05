"""What a command says: results as lines or as JSON, progress, and foreign text made safe to show."""
