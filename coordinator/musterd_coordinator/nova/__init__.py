"""The package answers Nova's own driver ``mc``: it is the memcached that a stock Nova asks who is up."""
