"""The benchmark of a trace runs, and says what keeping one costs."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_trace() -> None:
    argv = [sys.executable, "-m", "benchmarks", "trace", "--json", "--members", "2000"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode in (0, 1), ran.stderr) == (True, "")
    told = json.loads(ran.stdout)
    figures = {figure["figure"]: figure["median"] for figure in told["figures"]}
    assert figures["noting a sweep in which nothing changed"] > 0
