"""How much of the fault lab is run, and with what: see `make faults`."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.lab import Lab

StartLab = Callable[..., Lab]

TIME_LIMIT = 180.0
"""Seconds for a fleet to start, to have its trouble, to be well again and to lose a host once more."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Listening time alone must carry every fault, so that the short form is without the guard."""
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "storm_min" in metafunc.fixturenames and "storm_min" not in chosen:
        full = metafunc.config.getoption("--faults") == "full"
        metafunc.parametrize("storm_min", [0, 5] if full else [0], ids=lambda n: f"storm_min={n}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the short form leaves out; deselected, so that nothing counts as skipped."""
    for item in items:
        if "start_lab" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.time_limit(TIME_LIMIT))
    if config.getoption("--faults") == "full":
        return
    chosen = [item for item in items if not item.get_closest_marker("full_only")]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def start_lab(storm_min: int, request: pytest.FixtureRequest) -> Iterator[StartLab]:
    """`start_lab(url, kind="one memcached")` starts a fleet; all of it ends with the test.

    In the short form all who stay alive are one agent's: each process takes most of a second to start.
    """
    crowds = 3 if request.config.getoption("--faults") == "full" else 1
    with ExitStack() as stack:
        yield lambda store, **how: stack.enter_context(
            Lab(store, storm_min=storm_min, crowds=crowds, **how)
        )
