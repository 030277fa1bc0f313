"""What only MySQL has: see `make mysql`."""
