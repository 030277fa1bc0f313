"""The package says how much of anything there is for one, and for all."""
