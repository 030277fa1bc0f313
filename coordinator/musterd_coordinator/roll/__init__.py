"""The package is the membership table: every member, its state and why, as versions."""
