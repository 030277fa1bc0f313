"""Programs of users, which type checkers read."""
