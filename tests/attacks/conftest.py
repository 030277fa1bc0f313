"""Attacks run on the fleet of the fault lab, and like it in a short form and in full."""

from tests.faults.conftest import (
    locks,
    pytest_collection_modifyitems,
    pytest_generate_tests,
    start_lab,
    start_memcached,
    start_pgbouncer,
    start_postgres,
)

__all__ = [
    "locks",
    "pytest_collection_modifyitems",
    "pytest_generate_tests",
    "start_lab",
    "start_memcached",
    "start_pgbouncer",
    "start_postgres",
]
