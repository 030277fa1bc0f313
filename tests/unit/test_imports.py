"""What it does to the rest of a program to import musterd: nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import all_imports, imports_without

RUN_A_DAEMON = """
import sys
from musterd.cli import agent, daemon
daemon.run_daemon("tests.unit.a_daemon", agent.parser("agent").parse([]))
print("rich" in sys.modules)
import rich
"""

EXTRAS = "asyncmy,tooz"
OF_COORDINATORS = "numpy,starlette,uvicorn,uvloop,httptools,tqdm,prometheus_client"
NEEDS_MORE = re.compile(
    r"musterd\.stores\.mysql\.|musterd_agent\.tooz\.|musterd_coordinator\.demo\.openstack\.(controller|hosts)$"
    r"|musterd_coordinator\.(registry|relay|sweep)\.(nova\.)?mysql"
)
"""The modules that may need an extra, or Nova's own code; others import them when they are asked for."""


def printed(*argv: str, path: str = "") -> list[str]:
    """The lines that a Python prints that is run with ``argv``, and finds modules in ``path`` first."""
    done = subprocess.run(
        [sys.executable, *argv],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": path},
    )
    return done.stdout.splitlines()


def test_no_module_of_ours_changes_a_library() -> None:
    *changes, looked_at = printed(all_imports.__file__)
    assert not changes
    assert int(looked_at) > 1000


def test_a_daemon_imports_no_rich_and_others_may(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("print('rich was imported')")
    lines = printed("-c", RUN_A_DAEMON, path=str(tmp_path))
    assert lines == ["False", "rich was imported"]


@pytest.mark.parametrize(
    ("packages", "missing"),
    [
        ("musterd,musterd_agent,musterd_coordinator", EXTRAS),
        ("musterd,musterd_agent", f"{EXTRAS},{OF_COORDINATORS},musterd_coordinator"),
    ],
    ids=["no extra", "agent alone"],
)
def test_what_is_installed_is_enough_for_all_but_what_an_extra_is_for(
    packages: str, missing: str
) -> None:
    refused = printed("-m", imports_without.__name__, packages, missing)
    assert [name for name in refused if not NEEDS_MORE.match(name)] == []
    assert refused, "nothing was hidden"
