"""The package has a table of keys and values in this process, and the store over it."""
