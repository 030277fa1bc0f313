"""The relay takes beats as a memcached does, and writes them to PostgreSQL in sorted batches."""
