"""The package has the agents' side of PostgreSQL as a store, and the schema."""
