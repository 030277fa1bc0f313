"""The package checks by which agent a record, and what is said of a member, was signed."""
