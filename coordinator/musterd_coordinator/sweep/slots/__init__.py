"""The package sweeps by the slot protocol, over any bulk reader of keys."""
