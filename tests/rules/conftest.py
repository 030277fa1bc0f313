"""These tests take promtool and an Alertmanager, of packages of their own: only with --rules they run."""

import shutil
from pathlib import Path

import pytest

HOW = (
    "promtool is not on PATH: `make rules` installs Debian's package prometheus, which has it (22 MB, 330 on"
    " disk: so `make setup` does not), or do apt-get install --no-install-recommends prometheus"
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out all of them without --rules; deselected, so that nothing counts as skipped."""
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    if ours and not config.getoption("--rules"):
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Give the program; where it is not there, a test fails and says how to get it."""
    found = shutil.which("promtool")
    if found is None:
        pytest.fail(HOW)
    return found
