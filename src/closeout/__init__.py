"""Close a production-gap work order on a polyglot monorepo, and prove it closed."""

__version__ = "0.1.0"
