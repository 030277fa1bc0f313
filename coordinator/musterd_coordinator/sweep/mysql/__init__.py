"""The package is the coordinator's side of MariaDB as a store."""
