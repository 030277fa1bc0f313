"""Bulk reads of memcached."""
