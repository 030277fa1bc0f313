"""The module seats members that are read for the first time, together with the others of a reply.

That is every member when a coordinator starts, a million at worst, and a step for all costs a third
of a step for each.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from musterd.beat import member_digests
from musterd.model import Member, check_members
from musterd.stores.slots.protocol import HOLDER_LIMIT, UNREADABLE, HolderError, Keys
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.signed.signing import Signing
from musterd_coordinator.sweep.slots.announced import holder_in
from musterd_coordinator.sweep.slots.slotmap import SlotMap

_decode = msgspec.msgpack.Decoder(Member).decode

Identities = NDArray[np.uint64]

Told = list[tuple[int, bytes | None]]
"""Slots, all different, and what the ``m`` of each said; None where it is absent."""


def seat_newcomers(
    seats: SlotMap,
    keys: Keys,
    slots: Sequence[int],
    values: Sequence[bytes | None],
    signing: Signing | None = None,
) -> tuple[Slots, Identities, Told]:
    """Seat the members that are found in a slot that none holds and that sit in no other.

    With ``signing``, only those that were announced with their keys.

    ``values`` (n) are what the ``m`` of ``slots`` (n, all different) said, None where it is absent.
    Returns the slots that were taken, the member_ids of those that took them, and what else was
    told.
    """
    numbers = np.array(slots, np.int64)
    free = ~seats.are_held(numbers)
    if not free.any():  # as nearly always, once all are seated
        return numbers[:0], seats.member_id[:0], list(zip(slots, values, strict=True))
    told = np.fromiter((value is not None for value in values), np.bool_, len(values))
    places, members = _readable(np.flatnonzero(told & free), values, signing)
    identities = np.frombuffer(b"".join(member_digests(keys.namespace, members)), "<u8")
    new = seats.are_nowhere(identities)
    if not new.all():
        places, identities = places[new], identities[new]
        members = [members[at] for at in np.flatnonzero(new).tolist()]
    said = [hash(values[at]) for at in places.tolist()]
    seats.seat_newcomers(numbers[places], identities, members, said)
    others = np.delete(np.arange(len(numbers)), places).tolist()
    return numbers[places], identities, [(slots[at], values[at]) for at in others]


def _readable(
    places: Slots, values: Sequence[bytes | None], signing: Signing | None
) -> tuple[Slots, Sequence[Member]]:
    """Return those of ``places`` (n) in ``values`` that name a member, and the members.

    All are read at once, unless one of them names none.
    """
    named = [value for at in places.tolist() if (value := values[at]) is not None]
    members = _all_of(named) if signing is None else None
    if members is not None:
        return places, members
    found = [(at, _holder(value, signing)) for at, value in zip(places, named, strict=True)]
    kept = [(at, who) for at, who in found if who is not None]
    return np.array([at for at, _ in kept], np.int64), [who for _, who in kept]


def _all_of(values: Sequence[bytes]) -> Sequence[Member] | None:
    """Return the members that ``values`` (n) name; None if any one of them names none."""
    if max(map(len, values), default=0) > HOLDER_LIMIT:
        return None
    try:
        return check_members(list(map(_decode, values)))
    except UNREADABLE:
        return None


def _holder(value: bytes, signing: Signing | None) -> Member | None:
    try:
        return holder_in(value, signing)
    except HolderError:
        return None
