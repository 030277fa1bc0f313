"""A whole run of the tests tells which lines and branches they took, and fails if those are few."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.measure import ELSEWHERE, FLOOR, Figures

ROOT = Path(__file__).parents[2]
SMALL = """
def sign(number):
    if number < 0:
        return -1
    for _ in range(number):
        return 1
    return 0
"""
HOOKS = """
from pathlib import Path
from tests.measure import Measure

measuring = Measure(Path("build/seen.json"), Path(__file__).parent, ("small",))
import small.signs

def pytest_configure(config):
    config.pluginmanager.register(measuring)
"""
NEVER_BELOW = """
from small.signs import sign

def test_one():
    assert sign(1) == 1

def test_none():
    assert sign(0) == 0
"""
WITH_XDIST_ALONE = ("-p", "no:cacheprovider", "-p", "xdist")
BELOW = "\ndef test_below():\n    assert sign(-1) == -1\n"


def run(folder: Path, tests: str) -> "subprocess.CompletedProcess[str]":
    """Let two workers run ``tests`` of a small package with four branches, and measure it."""
    (folder / "small").mkdir(exist_ok=True)
    (folder / "small" / "signs.py").write_text(SMALL)
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = . {ROOT}\nfilterwarnings = error\n")
    (folder / "conftest.py").write_text(HOOKS)
    (folder / "test_it.py").write_text(tests)
    argv = [sys.executable, "-m", "pytest", *WITH_XDIST_ALONE, "-n", "2", str(folder)]
    alone = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"
    }  # Hypothesis takes three times as long
    return subprocess.run(argv, cwd=folder, env=alone, capture_output=True, text=True, check=False)


def test_what_all_workers_took_is_told_before_the_closing_line(tmp_path: Path) -> None:
    done = run(tmp_path, NEVER_BELOW + BELOW)
    *_, told, closing = done.stdout.partition("= coverage =")[2].strip().rsplit("\n", 1)
    assert "small                100.0 % of      6 lines, 100.0 % of     4 branches" in told
    assert "3 passed" in closing
    assert done.returncode == 0
    (seen,) = json.loads((tmp_path / "build" / "seen.json").read_text())["files"].values()
    assert (len(seen["executed_branches"]), seen["missing_branches"]) == (4, [])


def test_a_run_that_takes_too_few_branches_fails(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "never_imported.py").write_text("if __name__:\n    pass\n")
    done = run(tmp_path, NEVER_BELOW)
    assert "50.0 % of     6 branches" in done.stdout
    assert (
        "  2 in small/never_imported.py\n    1 in small/signs.py\nFAILED: too few branches"
        in done.stdout
    )
    assert "2 passed" in done.stdout.splitlines()[-1]
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def seen(**branches: tuple[int, int]) -> dict[str, Any]:
    """What SlipCover says of files with so many branches that were taken, and that were not."""
    return {
        "files": {
            f"small/{name}.py": {
                "summary": {
                    "covered_lines": taken,
                    "missing_lines": 0,
                    "covered_branches": taken,
                    "missing_branches": missed,
                },
                "missing_branches": [[1, 2]] * missed,
            }
            for name, (taken, missed) in branches.items()
        }
    }


def test_a_file_that_runs_elsewhere_is_not_counted() -> None:
    files = seen(here=(98, 2), daemon=(0, 50))
    assert not Figures(files, ["small"], {}).enough
    figures = Figures(files, ["small"], {"small/daemon.py", "small/gone.py"})
    assert figures.enough
    assert "without 1 files that run in other processes; not taken:" in "\n".join(figures.lines())
    assert "daemon" not in "\n".join(figures.lines())


def test_the_floor_is_one_of_branches() -> None:
    taken = round(FLOOR * 10)
    at, below = seen(here=(taken, 1000 - taken)), seen(here=(taken - 1, 1001 - taken))
    assert (Figures(at, ["small"], {}).enough, Figures(below, ["small"], {}).enough) == (
        True,
        False,
    )


def test_what_runs_elsewhere_is_there_and_has_a_reason() -> None:
    assert [name for name in ELSEWHERE if not (ROOT / name).is_file()] == []
    assert all(ELSEWHERE.values())


@pytest.mark.parametrize(("args", "measured"), [("", True), ("-k memcached", False)])
def test_only_a_whole_run_is_measured(args: str, measured: bool) -> None:
    argv = ["make", "--dry-run", "test", f"ARGS={args}"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f".venv/bin/pytest -n 4 --dist worksteal {args}".rstrip() in done.stdout
    assert ("MEASURE=" in done.stdout) is measured
