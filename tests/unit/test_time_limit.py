"""A test that hangs fails in time, and says where."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTINGS = f"""[pytest]
time_limit = 0.2
anyio_mode = auto
pythonpath = {ROOT}
markers = time_limit
"""
OUR_HOOKS = "from tests.conftest import *\n"
HASTE = """
import pytest
from tests.time_limit import limited

@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    with limited(0.2, grace=0.2):
        return (yield)
"""
TESTS = """
import threading, time
import anyio, pytest

def test_a_thread_hangs():
    threading.Event().wait()

async def forever():
    await anyio.sleep_forever()

async def test_a_task_hangs():
    await forever()

@pytest.mark.time_limit(60)
def test_that_takes_longer_may():
    time.sleep(0.3)
"""
STUBBORN = """
import threading

def test_hears_nothing():
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            pass
"""


def run(folder: Path, hooks: str, tests: str, *more: str) -> str:
    """What pytest says of ``tests``."""
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "conftest.py").write_text(hooks)
    (folder / "test_it.py").write_text(tests)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rfp", *more, str(folder)]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        argv, cwd=folder, env=alone, capture_output=True, text=True, check=False
    ).stdout


def test_a_test_that_hangs_fails_where_it_waits_and_the_next_one_runs(tmp_path: Path) -> None:
    told = run(tmp_path, OUR_HOOKS, TESTS, "-p", "anyio")
    assert "FAILED test_it.py::test_a_thread_hangs - Failed: it hangs" in told
    assert "FAILED test_it.py::test_a_task_hangs - Failed: it hangs" in told
    assert "in forever\n    await anyio.sleep_forever()" in told
    assert "PASSED test_it.py::test_that_takes_longer_may" in told


def test_a_test_that_does_not_even_fail_ends_with_its_process(tmp_path: Path) -> None:
    told = run(tmp_path, HASTE, STUBBORN, "-p", "xdist", "-n", "1", "--max-worker-restart", "0")
    assert "crashed while running 'test_it.py::test_hears_nothing'" in told
