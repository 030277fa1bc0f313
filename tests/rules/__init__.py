"""Prometheus' own tool tries the alerts of deploy/, and an Alertmanager is told: `make rules` brings both."""
