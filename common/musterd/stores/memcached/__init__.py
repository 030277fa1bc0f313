"""memcached and the embedded store: the agents' side."""
