"""Prometheus' own tool tries the alerts of deploy/: `make rules` brings it."""
