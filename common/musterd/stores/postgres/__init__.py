"""PostgreSQL as a store: the agents' side, and the schema."""
