"""Secrets in TypeScript and JavaScript sources."""
