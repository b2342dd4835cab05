"""Meet real brokers as their clients do."""
