"""Arbitrary bytes for everything that reads what others wrote: see `make fuzz`."""
