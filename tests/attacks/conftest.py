"""Attacks run on the fleet of the fault lab, and like it in a short form and in full."""

from tests.faults.conftest import pytest_collection_modifyitems, pytest_generate_tests, start_lab

__all__ = ["pytest_collection_modifyitems", "pytest_generate_tests", "start_lab"]
