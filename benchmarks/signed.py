"""The benchmark measures what a coordinator pays for a fleet that signs, beside the same one unsigned.

Two stores of a kind have the same members; those of the second have keys of their own and sign every
beat, as agents do. A real coordinator watches each of the two. They take turns: while one fleet beats
and its coordinator runs, the other beats not and its coordinator is frozen, and when they go on, none
of its members may be down for it. The CPU is that of the coordinator's process, from /proc.

All beats of a turn are signed and laid out before it, for the challenge that stands in the store then,
and sent when they are due: agents have cores of their own for that, which are not measured here. The
time in each is that of signing. Nothing else of them differs from what agents write, and every one is
read, checked and judged. What was sent while it was measured, and how late, is printed.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import anyio

from benchmarks.figures import Figure, Result, command_of, parser_of, positive, seconds, show
from benchmarks.growth_run import measure_empty
from benchmarks.signed_run import PLAIN, SIGNED, Plan, Turn, Turns, measure
from benchmarks.stores import STORES

EXAMPLE = """\
examples:
  python -m benchmarks signed
  python -m benchmarks signed --members 1000000 --turns 3 --steady 20
"""
MILLION = 1_000_000
MOST_CORES = 0.4  # for a million that beat every ten seconds
INTERVAL = 10.0
ON_TIME = 0.99
"""The share of a fleet's beats that has to be sent in the seconds in which they are due."""


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("signed", __doc__, EXAMPLE)
    add = parser.add_argument
    add("--store", choices=STORES, default="memcached")
    add("--members", type=positive, default=100_000)
    add("--interval", type=seconds, default=INTERVAL, help="seconds between two beats")
    add("--sweep-period", type=seconds, default=1.0, help="of both coordinators, in seconds")
    add("--turns", type=positive, default=5, help="measured turns of each of the two")
    add("--steady", type=seconds, default=INTERVAL, help="measured seconds of each turn")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    plan = Plan(args.members, args.interval, args.sweep_period, args.turns, args.steady)
    with STORES[args.store](0, 1) as server:
        empty = anyio.run(measure_empty, server, 1.0)
    with ExitStack() as stack:
        servers = [stack.enter_context(STORES[args.store](args.members, 1)) for _ in range(2)]
        turns = anyio.run(measure, servers, plan, backend_options={"use_uvloop": True})
        setting = servers[0].setting
    facts = {"store": args.store, "server": setting, "interval": args.interval}
    facts |= {"sweep_period": args.sweep_period, "measured seconds of a turn": args.steady}
    return show(stated(facts, plan, empty, turns, command_of("signed", argv)), args.json)


def stated(
    facts: Mapping[str, object], plan: Plan, empty: float, turns: Turns, command: str
) -> Result:
    """Return what was measured, and what was promised."""
    figures = [figure for kind in (PLAIN, SIGNED) for figure in _figures(kind, plan, turns[kind])]
    figures += _differences(turns)
    for kind in (PLAIN, SIGNED):
        each = [(turn.resident - empty) / plan.members for turn in turns[kind]]
        figures.append(Figure(f"coordinator memory per member, {kind}", "B", each))
    everything = [turn for kind in (PLAIN, SIGNED) for turn in turns[kind]]
    figures += [
        Figure("members down at any look", "", [max(turn.down for turn in everything)], at_most=0),
        Figure("members suspect", "", [max(turn.suspect for turn in everything)]),
        Figure("beats refused", "", [sum(turn.refused for turn in turns[SIGNED])], at_most=0),
    ]
    title = f"What {plan.members:,} members that sign cost a coordinator, {facts['store']}"
    facts = {"members": plan.members, **facts, "signatures": turns[SIGNED][-1].signatures}
    return Result("signed", title, figures, facts, command=command)


def _figures(kind: str, plan: Plan, turns: Sequence[Turn]) -> list[Figure]:
    promised = kind == SIGNED and (plan.members, plan.interval) == (MILLION, INTERVAL)
    cores = [turn.cores for turn in turns]
    return [
        Figure(f"coordinator CPU, {kind}", "cores", cores, MOST_CORES if promised else None),
        Figure(f"the store's CPU, {kind}", "cores", [turn.store for turn in turns]),
        Figure(f"the sender's CPU, {kind}", "cores", [turn.sender for turn in turns]),
        Figure(
            f"beats sent, {kind}",
            "1/s",
            [turn.beats for turn in turns],
            at_least=ON_TIME * plan.members / plan.interval,
        ),
        Figure(f"latest beats, {kind}", "ms", [1e3 * turn.behind for turn in turns]),
        Figure(f"sweep, {kind}", "ms", [1e3 * turn.sweep for turn in turns]),
        Figure(f"sweeps, {kind}", "1/s", [turn.sweeps for turn in turns]),
    ]


def _differences(turns: Turns) -> list[Figure]:
    pairs = list(zip(turns[PLAIN], turns[SIGNED], strict=True))
    added = [signing.cores - plain.cores for plain, signing in pairs]
    each = [1e6 * cores / turn.beats for cores, turn in zip(added, turns[SIGNED], strict=True)]
    return [
        Figure("what signatures add", "cores", added),
        Figure("what they add to a beat, with all looks at it", "µs", each),
    ]


if __name__ == "__main__":
    sys.exit(main())
