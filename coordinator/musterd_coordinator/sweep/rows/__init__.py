"""The package judges what a database has in rows: seats, and beats that are read in bulk."""
