"""The simulated members as columns, and texts of fixed width for all of them at once; pure."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.schedule import fractions
from musterd.beat import MAGIC, VERSION, member_id
from musterd.columns import RECORD
from musterd.model import Member
from musterd.stores.base import shard_seed

GROUP = "load"
ZONES = 100
"""Racks that members are spread over: those that are stopped on purpose must be no mass silence."""

Texts = NDArray[np.uint8]  # (n, width), ASCII

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


class Fleet(NamedTuple):
    """Columns of n members, in the order in which their beats are due within an interval.

    ``number`` is a member's place in the whole fleet, ``fraction`` its phase as a share of the
    interval.
    """

    number: NDArray[np.int64]
    member_id: NDArray[np.uint64]
    incarnation: NDArray[np.uint64]
    fraction: NDArray[np.float64]

    def where(self, keep: NDArray[np.bool_]) -> "Fleet":
        """Only the members in ``keep``, a mask of shape (n,)."""
        return Fleet._make(column[keep] for column in self)


def member(number: int) -> Member:
    """The member with this number, as its agent announces it."""
    return Member(GROUP, name_of(number), zone=f"rack-{number % ZONES:03}")


def name_of(number: int) -> str:
    """The name of a member; all are of one length."""
    return f"load-{number:08}"


def make_fleet(first: int, count: int, namespace: str, seed: int) -> Fleet:
    """``count`` members from number ``first`` on; ``seed`` draws their incarnations."""
    numbers = np.arange(first, first + count)
    names = map(name_of, numbers.tolist())
    ids = np.fromiter((member_id(namespace, GROUP, name) for name in names), np.uint64, count)
    draw = np.random.default_rng((seed, first))
    incarnations = draw.integers(1, 2**64 - 1, count, np.uint64, endpoint=True)
    shares = fractions(ids ^ incarnations)
    order = np.argsort(shares)
    return Fleet(numbers[order], ids[order], incarnations[order], shares[order])


class Seated(NamedTuple):
    """Members of one shard: their ``slots`` (n), and their first beats (n, dtype RECORD)."""

    fleet: Fleet
    slots: NDArray[np.int64]
    records: NDArray[np.void]


def seated(fleet: Fleet, base: int, interval: float, wall: float) -> Seated:
    """``fleet`` in the slots from ``base`` on, by number; its first beats leave at ``wall``."""
    slots = base + np.argsort(np.argsort(fleet.number))
    return Seated(fleet, slots, _first_beats(fleet, interval, wall))


def _first_beats(fleet: Fleet, interval: float, wall: float) -> NDArray[np.void]:
    rows = np.zeros(len(fleet.number), RECORD)
    rows["sent_ms"] = round(wall * 1000)
    rows["magic"], rows["version"] = MAGIC, VERSION
    rows["interval_ms"] = milliseconds(interval)
    rows["member_id"], rows["incarnation"] = fleet.member_id, fleet.incarnation
    rows["sequence"] = 1
    return rows


def milliseconds(interval: float) -> int:
    """An interval as a record says it."""
    return max(1, round(interval * 1000))


def placed(
    ids: NDArray[np.uint64], names: tuple[str, ...], replicas: int
) -> list[NDArray[np.bool_]]:
    """For each shard, which of ``ids`` (n) beat to it: :func:`musterd.stores.base.place` for many."""
    weights = np.array([_weights(shard_seed(name), ids) for name in names])
    ranks = np.argsort(np.argsort(~weights, axis=0), axis=0)  # ~ puts the greatest first
    return [rank < replicas for rank in ranks]


def _weights(seed: int, ids: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = np.uint64(seed) ^ ids
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def hexadecimal(values: NDArray[np.generic], width: int) -> Texts:
    """``b"%0{width}x"`` of each of ``values`` (n), shape (n, width)."""
    shifts = np.arange(4 * (width - 1), -1, -4, dtype=np.uint64)
    digits: Texts = _HEX[(values.astype(np.uint64)[:, None] >> shifts) & np.uint64(15)]
    return digits


def decimal(values: NDArray[np.int64], width: int) -> Texts:
    """``b"%0{width}d"`` of each of ``values`` (n), shape (n, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def join(*parts: bytes | Texts) -> Texts:
    """The texts of ``parts`` end to end, row by row; bytes are the same in every row."""
    rows = next(len(part) for part in parts if not isinstance(part, bytes))
    wide = [
        np.broadcast_to(np.frombuffer(part, np.uint8), (rows, len(part)))
        if isinstance(part, bytes)
        else part
        for part in parts
    ]
    return np.concatenate(wide, axis=1)


def texts(rows: NDArray[np.void]) -> Texts:
    """The bytes of ``rows`` (n), shape (n, bytes of a row)."""
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.itemsize)
