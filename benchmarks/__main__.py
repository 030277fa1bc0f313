"""These benchmarks measure what musterd costs.

``python -m benchmarks BENCHMARK --help`` says how each is run.

sweep     read every beat of a store, against other clients of the same server
load      a swarm of agents against a store of yours
query     questions answered while a store is swept
agent     what one agent costs its host
peers     Nova's own drivers on the same servers
growth    cost against the number of members
steps     how long the event loop is taken at once
verify    what it costs to check whose beats were read
signed    what a coordinator pays for a fleet that signs
answers   what one answer costs in CPU, without a server
door      a stock Nova's questions, beside a memcached
readers   what those who follow all members cost, and how late they are
trace     what it costs to keep a trace
watch     looks at Nova's own table of services, beside Nova's list of them
tls       what TLS costs a beat, a question and a connection
churn     names that come and go for ever
simulate  how often the detector errs, and how soon it finds a death
cells     the same for cells of Nova that are watched
week      a simulated week of such a cell, as a trace for musterd report
"""

import compileall
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from musterd.testing.processes import ServerError

BENCHMARKS = (
    "sweep",
    "load",
    "query",
    "agent",
    "peers",
    "growth",
    "steps",
    "verify",
    "signed",
    "answers",
    "door",
    "readers",
    "trace",
    "watch",
    "tls",
    "churn",
    "simulate",
    "cells",
    "week",
)
MEASURED = ("musterd", "musterd_agent", "musterd_coordinator")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one benchmark; return its exit status, or 2 for an unknown name or a missing server."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if not words or words[0] not in BENCHMARKS:
        print(f"usage: python -m benchmarks {{{','.join(BENCHMARKS)}}} …", file=sys.stderr)
        return 2
    for name in MEASURED:
        compile_all(Path(*import_module(name).__path__))
    try:
        status: int = import_module(f"benchmarks.{words[0]}").main(words[1:])
    except ServerError as error:
        print(f"{words[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{words[0]}: stopped; nothing was left running", file=sys.stderr)
        return 130
    return status


def compile_all(folder: Path) -> None:
    """Compile every module in ``folder`` to bytecode, as it is where a package was installed.

    Where Python is told to write no bytecode, each process that starts would compile a checkout: 30
    ms of an agent's start.
    """
    compileall.compile_dir(folder, quiet=2)


if __name__ == "__main__":
    sys.exit(main())
