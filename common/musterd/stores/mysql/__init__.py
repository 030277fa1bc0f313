"""The package is MariaDB, and MySQL, as a store for agents."""
