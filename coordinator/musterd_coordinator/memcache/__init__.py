"""The package is a memcached server: the embedded store's and the relay's."""
