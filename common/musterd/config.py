"""One frozen Settings for everybody (being written)."""
