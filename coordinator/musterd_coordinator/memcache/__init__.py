"""A memcached server: the embedded store's and the relay's."""
