"""Questions put to backup scripts and archives on throw-away servers."""
