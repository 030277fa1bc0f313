"""Daemons, servers and the command line as separate processes."""
