"""The module defines what the parent and its workers say: lines of JSON over the worker's pipes."""

import msgspec

from benchmarks.load.tally import Tally


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A `Plan` is what one worker is to simulate: ``count`` members from number ``first`` on.

    ``beats_to`` is the store URL that agents are given; ``tables`` that of the PostgreSQL where a
    relay keeps what it is told, else None. ``lanes`` are connections to each shard, on which
    members have turns, ``together`` at a time. Durations are seconds.
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
    """An `Announce` orders: announce all members in slots from ``bases`` on, one for each shard.

    The worker answers Done.
    """

    bases: list[int]


class Beat(msgspec.Struct, frozen=True, tag=True):
    """A `Beat` orders: connect, and beat from now on; answer Done when all are connected."""


class Interval(msgspec.Struct, frozen=True, tag=True):
    """An `Interval` orders: beat at another interval, with another push timeout (seconds)."""

    interval: float
    push_timeout: float


class Measure(msgspec.Struct, frozen=True, tag=True):
    """A `Measure` orders: begin to count anew."""


class StopMembers(msgspec.Struct, frozen=True, tag=True):
    """A `StopMembers` orders: the members with these numbers never beat again."""

    numbers: list[int]


class Rest(msgspec.Struct, frozen=True, tag=True):
    """A `Rest` orders: send no more beats, and wait for the replies to the last ones."""


class Remove(msgspec.Struct, frozen=True, tag=True):
    """A `Remove` orders: delete what was announced; answer Done."""


Order = Announce | Beat | Interval | Measure | StopMembers | Rest | Remove


class Placed(msgspec.Struct, frozen=True, tag=True):
    """A `Placed` says how many members go to each shard; it is the first thing a worker says."""

    shards: list[int]


class Done(msgspec.Struct, frozen=True, tag=True):
    """A `Done` says that the last order that wants an answer is carried out."""


class Counted(msgspec.Struct, frozen=True, tag=True):
    """A `Counted` is all that was counted since the last :class:`Measure`, number ``round`` from 0."""

    round: int
    tally: Tally


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A `Failed` says that the worker gives up; ``reason`` is for the user."""

    reason: str


Answer = Placed | Done | Counted | Failed
