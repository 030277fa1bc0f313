"""The command runs all benchmarks, one after the other, and writes their page: see ``make bench``.

``python -m benchmarks.every`` takes some ten minutes and writes docs/benchmarks.md. With
``--quick`` it takes about one, measures small fleets, and leaves its page in build/benchmarks.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import write

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "build" / "benchmarks"
MISSED = 1  # the exit status of a benchmark that ran well and missed a goal

FULL = {
    "sweep-memcached-100000": "sweep --store memcached --members 100000",
    "sweep-memcached-1000000": "sweep --store memcached --members 1000000",
    "sweep-postgresql-100000": "sweep --store postgresql --members 100000",
    "sweep-postgresql-1000000": "sweep --store postgresql --members 1000000",
    "sweep-mariadb-100000": "sweep --store mariadb --members 100000",
    "sweep-embedded": "sweep --store embedded --members 10000",
    "query-100000": "query --members 100000 --repeats 3 --duration 2",
    "query-1000000": "query --members 1000000 --repeats 3 --duration 4 --sweep-period 4",
    "agent-memcached": "agent --store memcached --agents 30 --duration 8",
    "agent-postgresql": "agent --store postgresql --agents 30 --duration 8",
    "tls": "tls --repeats 9",
    "load-memcached": "load --store memcached --agents 100000 --interval 4 --duration 21"
    " --service-down-time 8",
    "load-relay": "load --store relay --agents 50000 --connections 5000 --interval 4 --duration 21"
    " --service-down-time 8",
    "peers": "peers --quick",
    "growth": "growth --store memcached --repeats 3 --steady 2",
    "watch": "watch --services 100000",
    "door": "door --members 100000",
    "readers": "readers --members 100000",
}
QUICK = {
    "sweep-memcached": "sweep --store memcached --members 20000 --repeats 3",
    "sweep-postgresql": "sweep --store postgresql --members 20000 --repeats 3",
    "sweep-mariadb": "sweep --store mariadb --members 20000 --repeats 3",
    "query": "query --members 5000 --repeats 1 --duration 1 --interval 1",
    "agent": "agent --agents 3 --duration 3",
    "tls": "tls --repeats 2",
    "watch": "watch --services 20000 --repeats 3",
    "load": "load --store memcached --agents 1000 --interval 1 --duration 6 --service-down-time 2",
    "growth": "growth --members 3000 --repeats 3 --interval 1 --steady 1",
}


def main() -> int:
    """Run them and write the page; return 1 when one of them did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.every", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a minute, small fleets")
    quick = parser.parse_args().quick
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)
    chosen = QUICK if quick else FULL
    names = [f"{number:02d}-{name}" for number, name in enumerate(chosen, 1)]
    failed = [
        options
        for name, options in zip(names, chosen.values(), strict=True)
        if not _run(name, options)
    ]
    print(f"wrote {write(RESULTS, RESULTS if quick else ROOT / 'docs')}")
    for options in failed:
        print(f"failed: python -m benchmarks {options}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, options: str) -> bool:
    """Run one, and say whether its figures are there now."""
    print(f"python -m benchmarks {options} ...", end=" ", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "benchmarks", *options.split(), "--json"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    took = round(time.monotonic() - began)
    worked = ran.returncode in (0, MISSED) and ran.stdout.startswith(b"{")
    if worked:
        result = {**json.loads(ran.stdout), "took": took}
        (RESULTS / f"{name}.json").write_text(json.dumps(result))
    said = "goals missed" if ran.returncode == MISSED else "done"
    print(said if worked else "failed", f"after {took} s")
    return worked


if __name__ == "__main__":
    sys.exit(main())
