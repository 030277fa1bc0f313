"""What unit tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from musterd import cli
from musterd.settings import sources as config
from tests.unit.cli_desk import Coordinator, Run, a_desk, serve


@pytest.fixture
def no_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave out this host's configuration and environment; gives where the default file would be."""
    default = tmp_path / "nowhere.toml"
    monkeypatch.setattr(config, "DEFAULT_FILE", default)
    for name in [name for name in os.environ if name.startswith("MUSTERD_")]:
        monkeypatch.delenv(name)
    return default


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch, no_configuration: Path) -> Iterator[Coordinator]:
    """Give a coordinator that commands ask unless they are told of another one."""
    desk = a_desk()
    with start_blocking_portal() as portal:
        serving, url = portal.start_task(serve, desk)
        monkeypatch.setenv("MUSTERD_COORDINATOR", url)
        yield Coordinator(portal, desk, url)
        serving.cancel()


@pytest.fixture
def run(coordinator: Coordinator, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs a command line here, and says its status, output and error output."""

    def _run(*argv: str) -> tuple[int, str, str]:
        status = cli.main(argv)
        return status, *capsys.readouterr()

    return _run
