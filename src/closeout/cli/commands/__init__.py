"""What each command does, a module a command: it prints, keeps evidence, and returns a code."""
