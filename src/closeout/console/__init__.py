"""What a command says: results as lines or JSON, progress, and foreign text made safe to show."""
