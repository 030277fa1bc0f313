"""What must survive: states, operators' words and history, in SQLite or PostgreSQL."""
