"""Fuzzes with atheris, which looks for bytes that reach code no bytes reached before.

python -m tests.fuzz [--seconds 600] [TARGET ...]

Each target runs in a process of its own; what broke one is left in build/fuzz, and the exit status is
then 1. With one target in FUZZ_TARGET it is that process.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

FOUND = Path("build/fuzz")
MEMORY = 2048  # MiB that one target may take
LONGEST = 16_384  # bytes of one input


def main() -> int:
    """Fuzz the chosen targets, one after the other on each core; 0 when nothing was found."""
    from tests.fuzz.targets import TARGETS

    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--seconds", type=int, default=600, help="for each target")
    arguments.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    chosen = arguments.parse_args()
    names = chosen.targets or list(TARGETS)
    if strange := [name for name in names if name not in TARGETS]:
        arguments.error(f"no target {', '.join(strange)}; there are {', '.join(TARGETS)}")
    broken = []
    cores = len(os.sched_getaffinity(0))
    for at in range(0, len(names), cores):
        running = {name: start(name, chosen.seconds) for name in names[at : at + cores]}
        broken += [name for name, process in running.items() if process.wait()]
    sys.stderr.write(f"{len(names) - len(broken)} passed, {len(broken)} failed\n")
    return 1 if broken else 0


def start(name: str, seconds: int) -> subprocess.Popen[bytes]:
    """One target in a process of its own."""
    corpus, found = FOUND / name / "corpus", FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-rss_limit_mb={MEMORY}",
        f"-max_len={LONGEST}",
        f"-artifact_prefix={found}/",
        "-len_control=0",  # long inputs from the start: a store has many keys
        "-timeout=20",
        "-print_final_stats=1",
    ]
    environ = {**os.environ, "FUZZ_TARGET": name}
    command = [sys.executable, "-m", "tests.fuzz", *options, str(corpus)]
    log = (found / "log").open("wb")
    return subprocess.Popen(command, env=environ, stdout=log, stderr=log)


def fuzz(name: str) -> None:
    """Be that process; never returns."""
    import atheris

    with atheris.instrument_imports(include=["musterd", "musterd_coordinator"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = Path(sys.argv[-1])
    for at, seed in enumerate(target.seeds):
        (corpus / f"seed-{at}").write_bytes(seed)
    atheris.Setup(sys.argv, target.run)
    atheris.Fuzz()


if __name__ == "__main__":
    if name := os.environ.get("FUZZ_TARGET"):
        fuzz(name)
    else:
        raise SystemExit(main())
