"""Everything there is to break, broken for real."""
