"""The package has the agents' side of memcached and of the embedded store."""
