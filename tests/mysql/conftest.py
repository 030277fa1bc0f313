"""These tests take what only MySQL has: `make mysql` brings it, and only with --mysql they run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from musterd.testing.mysql import MySql
from tests.faults.conftest import StartLab, locks, start_lab
from tests.mysql.group import Group

__all__ = ["StartLab", "locks", "start_lab"]

TIME_LIMIT = 240.0
"""Seconds for a group to begin, and for a fleet to have its trouble there and be well again."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all of them without --mysql; deselected, so that nothing counts as skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.time_limit(TIME_LIMIT))
    if ours and not config.getoption("--mysql"):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture
def storm_min() -> int:
    """Give the fleet no guard against mass silences: listening time alone must carry every fault."""
    return 0


@pytest.fixture
def group() -> Iterator[Group]:
    """Run a group of three, of which one takes changes."""
    with Group() as group:
        yield group


@pytest.fixture
def mysql() -> Iterator[MySql]:
    """Run a MySQL of the test's own."""
    with MySql(**MySql.cheap) as server:
        yield server
