"""The `musterd` command."""
