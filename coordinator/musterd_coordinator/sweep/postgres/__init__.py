"""Sweeps of PostgreSQL."""
