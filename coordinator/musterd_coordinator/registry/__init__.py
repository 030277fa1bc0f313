"""The package keeps what must survive in SQLite, PostgreSQL or MariaDB: states, operators' words, history."""
