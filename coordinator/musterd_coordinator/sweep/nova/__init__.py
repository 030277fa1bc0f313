"""The package watches Nova: it reads the table in which Nova's services count their reports."""
