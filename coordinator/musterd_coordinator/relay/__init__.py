"""The relay takes beats as a memcached does, and writes them to a database in sorted batches."""
