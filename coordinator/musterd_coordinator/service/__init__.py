"""The package has what a coordinator answers and what it can be ordered, and how both are kept."""
