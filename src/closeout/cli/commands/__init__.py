"""What each command does, a module a command: it prints, keeps what is to be kept, and returns a code."""
