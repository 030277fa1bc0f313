"""The package is the coordinator's HTTP API: queries, orders, events, metrics and the dashboard."""

from musterd_coordinator.http.app import App, make_app
from musterd_coordinator.http.server import serve_http

__all__ = ["App", "make_app", "serve_http"]
