"""Programs that run beside us: they import nothing of ours."""
