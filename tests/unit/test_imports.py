"""What it does to the rest of a program to import musterd: nothing."""

import os
import subprocess
import sys
from pathlib import Path

from tests.unit import all_imports

RUN_A_DAEMON = """
import sys
from musterd.cli import agent, daemon
daemon.run_daemon("tests.unit.a_daemon", agent.parser("agent").parse([]))
print("rich" in sys.modules)
import rich
"""


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
