"""A table of keys and values in this process, and the store over it."""
