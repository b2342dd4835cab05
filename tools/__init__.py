"""What the makers of this project run; no user does."""
