"""The package sweeps PostgreSQL."""
