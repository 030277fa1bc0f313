"""What the parent and its workers tell each other: lines of JSON over the worker's pipes."""

import msgspec

from benchmarks.load.tally import Tally


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one worker is to simulate: ``count`` members from number ``first`` on.

    ``beats_to`` is the store URL that agents are given; ``tables`` that of the PostgreSQL where a
    relay keeps what it is told, else None. ``lanes`` are connections to each shard, on which
    members have turns, so many as ``together`` says. Durations are seconds.
    """

    beats_to: str
    tables: str | None
    namespace: str
    first: int
    count: int
    seed: int
    interval: float
    push_timeout: float
    beat_ttl: float
    lanes: int
    together: int


class Announce(msgspec.Struct, frozen=True, tag=True):
    """Announce everybody in the slots from ``bases`` on, one for each shard; answer Done."""

    bases: list[int]


class Beat(msgspec.Struct, frozen=True, tag=True):
    """Connect and beat from now on; answer Done when all are connected."""


class Interval(msgspec.Struct, frozen=True, tag=True):
    """Beat at another interval, with another push timeout (seconds)."""

    interval: float
    push_timeout: float


class Measure(msgspec.Struct, frozen=True, tag=True):
    """Begin to count anew."""


class StopMembers(msgspec.Struct, frozen=True, tag=True):
    """The members with these numbers never beat again."""

    numbers: list[int]


class Rest(msgspec.Struct, frozen=True, tag=True):
    """Send no more beats, and wait for the replies to the last ones."""


class Remove(msgspec.Struct, frozen=True, tag=True):
    """Delete what was announced; answer Done."""


Order = Announce | Beat | Interval | Measure | StopMembers | Rest | Remove


class Placed(msgspec.Struct, frozen=True, tag=True):
    """How many members go to each shard; the first thing a worker says."""

    shards: list[int]


class Done(msgspec.Struct, frozen=True, tag=True):
    """The last order that wants an answer is carried out."""


class Counted(msgspec.Struct, frozen=True, tag=True):
    """Everything counted since the last :class:`Measure`, number ``round`` from 0 on."""

    round: int
    tally: Tally


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The worker gives up; ``reason`` is for the user."""

    reason: str


Answer = Placed | Done | Counted | Failed
