"""Whoever is read for the first time takes a seat together with the others of a reply.

That is everybody when a coordinator starts, a million at worst, and a step for all costs a third of
a step for each.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from musterd.beat import member_digest
from musterd.errors import ConfigError
from musterd.model import Member, check_members
from musterd.stores.keyed import HolderError, Keys, read_holder
from musterd.stores.keyed_seats import SeatMap

_decoder = msgspec.msgpack.Decoder(Member)

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
    digests = [member_digest(keys.namespace, who.group, who.name) for _, _, who in found]
    identities = np.frombuffer(b"".join(digests), "<u8")
    new = seats.are_nowhere(identities)
    if not new.all():
        others += [found[at][:2] for at in np.flatnonzero(~new).tolist()]
        found, identities = [found[at] for at in np.flatnonzero(new).tolist()], identities[new]
    slots = np.array([slot for slot, _, _ in found], np.int64)
    said = [hash(value) for _, value, _ in found]
    seats.seat_newcomers(slots, identities, [who for _, _, who in found], said)
    return slots.tolist(), identities.tolist(), others


def _readable(told: Told, held: Sequence[bool]) -> tuple[list[tuple[int, bytes, Member]], Told]:
    """Whom free slots name, and what else was told."""
    free = [
        (slot, value)
        for (slot, value), is_held in zip(told, held, strict=True)
        if not is_held and value is not None
    ]
    members = _holders([value for _, value in free])
    found = [(*each, who) for each, who in zip(free, members, strict=True) if who is not None]
    if len(found) == len(told):
        return found, []
    readable = {slot for slot, _, _ in found}
    return found, [each for each in told if each[0] not in readable]


def _holders(values: Sequence[bytes]) -> Sequence[Member | None]:
    """Whom each of ``values`` names: all at once, unless one of them names nobody."""
    try:
        return check_members(list(map(_decoder.decode, values)))
    except (msgspec.DecodeError, ConfigError):
        return list(map(_holder, values))


def _holder(value: bytes) -> Member | None:
    try:
        return read_holder(value)
    except HolderError:
        return None
