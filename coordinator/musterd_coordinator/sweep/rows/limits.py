"""The module says what the tables in PostgreSQL have room for; their SQL has the same numbers."""

MOST_SLOTS = 1 << 24
"""Slots are below this: all there is room for, and what a coordinator must be able to index."""

METADATA_BYTES = 32 << 10
"""Of a member's metadata as JSON; what an agent may announce needs 29,000 at most."""

NAME_BYTES = 1020
"""Of a namespace, group, name, zone or owner: 255 characters of four bytes."""
