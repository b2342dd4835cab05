"""Try to sign in, wrongly and rightly, against running services."""
