"""Whoever is read for the first time takes a seat together with the others of a reply.

That is everybody when a coordinator starts, a million at worst, and a step for all costs a third of
a step for each.
"""

from collections.abc import Sequence

import numpy as np

from musterd.model import Member
from musterd.stores.keyed import HolderError, Keys, read_holder
from musterd.stores.keyed_seats import SeatMap

Told = list[tuple[int, bytes | None]]
"""Slots, all different, and what the ``m`` of each said; None where it is absent."""


def seat_newcomers(seats: SeatMap, keys: Keys, told: Told) -> tuple[list[int], list[int], Told]:
    """Seat those who are found in a slot that nobody holds and sit in no other.

    Returns the slots that they took, their member_ids, and what else was told.
    """
    slots = np.array([slot for slot, _ in told], np.int64)
    held = seats.are_held(slots)
    if held.all():
        return [], [], told
    found, others = _readable(told, held.tolist())
    identities = np.array([keys.identity(member) for _, _, member in found], np.uint64)
    slots = np.array([slot for slot, _, _ in found], np.int64)
    new = seats.are_nowhere(identities)
    newcomers = [found[at] for at in np.flatnonzero(new).tolist()]
    others += [found[at][:2] for at in np.flatnonzero(~new).tolist()]
    said = [hash(value) for _, value, _ in newcomers]
    seats.seat_newcomers(slots[new], identities[new], [who for _, _, who in newcomers], said)
    return slots[new].tolist(), identities[new].tolist(), others


def _readable(told: Told, held: Sequence[bool]) -> tuple[list[tuple[int, bytes, Member]], Told]:
    """Whom free slots name, and what else was told."""
    found, others = list[tuple[int, bytes, Member]](), Told()
    for (slot, value), is_held in zip(told, held, strict=True):
        member = None if is_held or value is None else _holder(value)
        if value is None or member is None:
            others.append((slot, value))
        else:
            found.append((slot, value, member))
    return found, others


def _holder(value: bytes) -> Member | None:
    try:
        return read_holder(value)
    except HolderError:
        return None
