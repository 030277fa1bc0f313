"""`musterd demo --nova` plays its story with Nova itself, and each step goes as told."""

import subprocess
import sys
from pathlib import Path

import pytest

from musterd.testing.busy import allowed_now

STEPS = 7
LONGEST = 600.0


@pytest.mark.time_limit(LONGEST)  # three minutes of outages, and Nova starts four times
def test_each_step_goes_as_told(python_of_nova: Path) -> None:
    command = [sys.executable, "-m", "musterd", "demo", "--nova"]
    checkout = python_of_nova.parents[3]
    done = subprocess.run(
        command,
        cwd=checkout,
        check=False,
        capture_output=True,
        text=True,
        timeout=allowed_now(LONGEST),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("   ok: ") == STEPS
