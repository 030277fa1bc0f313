"""The benchmark compares musterd's costs with those of Nova's own `db` and `mc` drivers.

It measures what a heartbeat costs, and what "who is up?" costs.

``python -m benchmarks peers --members 100000`` starts a PostgreSQL, two MariaDB and a memcached, brings Nova
34 from PyPI into a virtual environment of its own (once, under `build/`), and has Nova and musterd
do the same work on the same servers in turn, again and again.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.figures import Result, command_of, show
from benchmarks.peers.environment import NoNova, nova_python
from benchmarks.peers.measure import Plan, run
from benchmarks.peers.nova_side import NovaError
from musterd import log

SIZES = (1_000, 10_000, 100_000)
NOTES = (
    (
        "Nova: its own nova.objects.Service, _report_state and service_is_up, with a local conductor"
        " and its cache of service versions; what a message queue costs comes on top."
    ),
    (
        "Ratios are Nova's cost by musterd's within one repeat: one at a time against one at a time, many"
        " against many, and a relay against the cheaper of the two."
    ),
    (
        "A view is: read the store and judge everybody. Everybody was written before, in random order;"
        " before each view a tenth of musterd's members beat anew, and none of Nova's. musterd's is the"
        " second of two in a row, as a coordinator sweeps every second: from PostgreSQL it reads what is"
        " new, from memcached everything."
    ),
    (
        "MariaDB is as it is where nobody says otherwise, and writes its log to the disk at each commit;"
        " once more it does so once a second (innodb_flush_log_at_trx_commit 2): what a heartbeat of"
        " Nova's costs with the one and not with the other is that. musterd's beats are in its memory."
    ),
    (
        "PostgreSQL is set as docs/operations.md advises (wal_writer_flush_after 0), for Nova and"
        " musterd alike."
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 0, 1 when a goal was missed, 2 when Nova is not to be had."""
    args = _parser().parse_args(argv)
    log.configure("error")
    plan = _plan(args)
    try:
        figures = run(plan, nova_python())
    except (NoNova, NovaError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    facts = {
        "members": plan.sizes[-1],
        "repeats": plan.repeats,
        "nova_beats": plan.nova_beats,
        "beats": plan.beats,
        "beating_members": plan.beating,
        "relayed_members": plan.relayed,
    }
    title = "Heartbeats and liveness views, musterd and Nova 34 on the same servers"
    command = command_of("peers", argv)
    return show(Result("peers", title, figures, facts, (), NOTES, command), args.json)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--members", type=int, default=SIZES[-1], help="members in the last view")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each measurement")
    parser.add_argument("--quick", action="store_true", help="a minute: fewer of everything")
    parser.add_argument("--mysql", action="store_true", help="a MySQL too (scripts/setup.sh mysql)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _plan(args: argparse.Namespace) -> Plan:
    smaller = [size for size in SIZES if size < args.members]
    if args.quick:
        sizes = [*smaller[:1], min(args.members, 10_000)]
        return Plan(sizes, 5, 800, 6_000, 200, 500, args.mysql)
    return Plan([*smaller, args.members], args.repeats, 2_000, 20_000, 1_000, 2_000, args.mysql)
