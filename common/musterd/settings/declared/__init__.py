"""The package declares every option once: what it is, what it may be, and an example."""
