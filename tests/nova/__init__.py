"""Nova 34 itself, unmodified, asks musterd's door by its own driver: see `make nova`."""
