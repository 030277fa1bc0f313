"""The module keeps the simulated members as columns; it is pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.bulk import first_beats
from benchmarks.load.schedule import fractions
from musterd.beat import member_id
from musterd.model import Member
from musterd.stores.base import shard_seed

GROUP = "load"
ZONES = 100
"""Racks that members are spread over: those that are stopped on purpose must be no mass silence."""


class Fleet(NamedTuple):
    """A `Fleet` is columns of n members, in the order in which their beats are due in an interval.

    ``number`` is a member's place in the whole fleet, ``fraction`` its phase as a share of the
    interval.
    """

    number: NDArray[np.int64]
    member_id: NDArray[np.uint64]
    incarnation: NDArray[np.uint64]
    fraction: NDArray[np.float64]

    def where(self, keep: NDArray[np.bool_]) -> "Fleet":
        """Return only the members in ``keep``, a mask of shape (n,)."""
        return Fleet._make(column[keep] for column in self)


def member(number: int) -> Member:
    """Return the member with this number, as its agent announces it."""
    return Member(GROUP, name_of(number), zone=f"rack-{number % ZONES:03}")


def name_of(number: int) -> str:
    """Return the name of a member; all names are of one length."""
    return f"load-{number:08}"


def make_fleet(first: int, count: int, namespace: str, seed: int) -> Fleet:
    """Make ``count`` members from number ``first`` on; ``seed`` draws their incarnations."""
    numbers = np.arange(first, first + count)
    names = map(name_of, numbers.tolist())
    ids = np.fromiter((member_id(namespace, GROUP, name) for name in names), np.uint64, count)
    draw = np.random.default_rng((seed, first))
    incarnations = draw.integers(1, 2**64 - 1, count, np.uint64, endpoint=True)
    shares = fractions(ids ^ incarnations)
    order = np.argsort(shares)
    return Fleet(numbers[order], ids[order], incarnations[order], shares[order])


class Seated(NamedTuple):
    """A `Seated` is members of one shard.

    It has their ``slots`` (n), and their first beats (n, dtype RECORD).
    """

    fleet: Fleet
    slots: NDArray[np.int64]
    records: NDArray[np.void]


def seated(fleet: Fleet, base: int, interval: float, wall: float) -> Seated:
    """Seat ``fleet`` in slots from ``base`` on, by number; its first beats leave at ``wall``."""
    slots = base + np.argsort(np.argsort(fleet.number))
    records = first_beats(fleet.member_id, fleet.incarnation, interval, wall)
    return Seated(fleet, slots, records)


def placed(
    ids: NDArray[np.uint64], names: tuple[str, ...], replicas: int
) -> list[NDArray[np.bool_]]:
    """Return for each shard which of ``ids`` (n) beat to it.

    It does for many members what :func:`musterd.stores.base.place` does for one.
    """
    weights = np.array([_weights(shard_seed(name), ids) for name in names])
    ranks = np.argsort(np.argsort(~weights, axis=0), axis=0)  # ~ puts the greatest first
    return [rank < replicas for rank in ranks]


def _weights(seed: int, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = np.uint64(seed) ^ ids
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
