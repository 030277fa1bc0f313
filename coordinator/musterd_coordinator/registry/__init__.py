"""The package keeps what must survive in SQLite or PostgreSQL: states, operators' words, history."""
