"""Sweeps by the slot protocol, over any bulk reader of keys."""
