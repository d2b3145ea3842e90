"""The `kinbridge` command."""
