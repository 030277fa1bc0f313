"""The membership table: every member, its state and why, as versions."""
