"""The package reads memcached in bulk."""
