"""The benchmark measures what it costs to check whose beats were read, beside reading them unsigned.

A shard's beats are made by hand, block by block as a store sends them, and given in turns to what
takes beats without looking at their macs, and to what checks them with the fleet key. Reading from a
server costs the same for both, and is left out (``sweep`` has it).
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.figures import (
    Figure,
    Result,
    command_of,
    parser_of,
    positive,
    progress,
    show,
)
from benchmarks.steps import timed
from musterd.beat import SIZE, Beat, member_digests
from musterd.keys import FleetKeys, Seal, challenge_digest, member_key, new_fleet_key
from musterd.model import Member
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.columns import Slots, Words
from musterd_coordinator.sweep.signed.macs import RECORD_WORDS
from musterd_coordinator.sweep.signed.seals import SlotSeals
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.collector import BeatCollector
from musterd_coordinator.sweep.slots.sealed import SealedCollector
from musterd_coordinator.sweep.slots.slotmap import BLOCK, SlotMap

EXAMPLE = """\
example:
  python -m benchmarks verify --members 100000
"""
NAMESPACE = "musterd"
MOST_US = 1.5  # for one changed beat
MOST_STEP_MS = 5.0
PLAIN, SIGNED, STILL = "unsigned", "signed", "signed, unchanged"
_WORDS = 6
_NONE = np.empty(0, np.int64)

Block = tuple[Slots, Words]


class Cost(NamedTuple):
    """A `Cost` is the CPU of one sweep: seconds in all, and milliseconds of its longest step."""

    seconds: float
    longest: float


class Shard:
    """A `Shard` has members that sign, and what takes their beats with and without a look at that."""

    def __init__(self, members: int) -> None:
        fleet, key = FleetKeys(new_fleet_key()), b"c1"
        self.members = [Member("compute", f"host-{number:07}", "z1") for number in range(members)]
        self._seals = [
            Seal(member_key(fleet.current, NAMESPACE, each.group, each.name), NAMESPACE, each)
            for each in self.members
        ]
        digests = b"".join(member_digests(NAMESPACE, self.members))
        self.identities = np.frombuffer(digests, "<u8")
        signing = Signing(fleet, NAMESPACE, key.decode(), required=True, down_time=lambda: 60.0)
        challenge = signing.challenge()
        value = challenge.update(None, 0.0) or b""
        challenge.written(value)
        self._challenge = challenge_digest(value)
        self._seats = SlotMap(Keys(NAMESPACE), RECORD_WORDS)
        self.seals = SlotSeals(signing, challenge)
        self.plain = BeatCollector(self._seats)
        self.signed = SealedCollector(self._seats, self.seals)
        self.sequence = 0

    def seat(self) -> float:
        """Seat all members; return the seconds of CPU that it took to make their keys."""
        slots = np.arange(len(self.members))
        self._seats.seat_newcomers(slots, self.identities, self.members, [0] * len(slots))
        roster = self._seats.changes(more=False)
        return sum(timed(self.seals.filter_roster(roster, 0.0))) / 1000

    def beats(self) -> list[Block]:
        """Return everybody's next beat, in blocks."""
        self.sequence += 1
        ids, seals = self.identities.tolist(), self._seals
        records = b"".join(
            seal.record(Beat(identity, 7, self.sequence, 10_000), self._challenge)
            for identity, seal in zip(ids, seals, strict=True)
        )
        return [
            (
                np.arange(at, min(at + BLOCK, len(ids))),
                _words(records[at * SIZE : (at + BLOCK) * SIZE]),
            )
            for at in range(0, len(ids), BLOCK)
        ]


def _words(data: bytes) -> Words:
    return np.frombuffer(data, "<u8").reshape(-1, RECORD_WORDS).T.copy()


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = parser_of("verify", __doc__, EXAMPLE)
    parser.add_argument("--members", type=positive, default=100_000)
    parser.add_argument("--repeats", type=positive, default=7, help="sweeps of each kind")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 when a goal was missed."""
    args = arguments().parse_args(argv)
    shard = Shard(args.members)
    seating = shard.seat()
    for _ in range(2):  # the first is what stood there, the second proves everybody
        _sweep_signed(shard, shard.beats())
    rounds = [_round(shard) for _ in progress(range(args.repeats), "sweeping", "round")]
    result = stated(shard, seating, rounds, command_of("verify", argv))
    return show(result, args.json)


def _round(shard: Shard) -> dict[str, Cost]:
    blocks = shard.beats()
    return {
        PLAIN: _sweep_plain(shard, blocks),
        SIGNED: _sweep_signed(shard, blocks),
        STILL: _sweep_signed(shard, blocks),
    }


def _sweep_plain(shard: Shard, blocks: Sequence[Block]) -> Cost:
    def steps() -> Iterator[None]:
        shard.plain.reset()
        for slots, words in blocks:
            shard.plain.collect(slots, words[:_WORDS], _NONE)
            yield

    return _cost(timed(steps()))


def _sweep_signed(shard: Shard, blocks: Sequence[Block]) -> Cost:
    def steps() -> Iterator[None]:
        shard.signed.reset()
        for slots, words in blocks:
            yield from shard.signed.check(slots, words, _NONE, time.monotonic())
            yield
        shard.signed.finish()

    return _cost(timed(steps()))


def _cost(steps: Sequence[float]) -> Cost:
    return Cost(sum(steps) / 1000, max(steps))


def stated(shard: Shard, seating: float, rounds: Sequence[dict[str, Cost]], command: str) -> Result:
    """Return what was measured, and what was promised."""
    members = len(shard.members)
    costs = {
        kind: [1e6 * each[kind].seconds / members for each in rounds]
        for kind in (PLAIN, SIGNED, STILL)
    }
    added = [
        with_macs - without for with_macs, without in zip(costs[SIGNED], costs[PLAIN], strict=True)
    ]
    figures = [
        Figure("a changed beat, unsigned", "us", costs[PLAIN]),
        Figure("a changed beat, signed", "us", costs[SIGNED]),
        Figure("what its signature adds", "us", added, at_most=MOST_US),
        Figure("an unchanged beat, signed", "us", costs[STILL]),
        Figure(
            "longest step", "ms", [each[SIGNED].longest for each in rounds], at_most=MOST_STEP_MS
        ),
        Figure("keys of one member that takes its seat", "us", [1e6 * seating / members]),
        Figure("memory of one member", "bytes", [shard.seals.size / members]),
    ]
    title = f"Checking whose beats were read, {members:,} members that all beat anew"
    return Result("verify", title, figures, {"members": members}, command=command)


if __name__ == "__main__":
    sys.exit(main())
