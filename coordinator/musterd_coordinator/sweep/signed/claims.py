"""The module knows which member is announced in which slot of a shard, and where each beat last."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from musterd.model import Member
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import Slots
from musterd_coordinator.sweep.idmap import IdMap
from musterd_coordinator.sweep.signed.columns import AWAY, CLAIMED, NOBODY, PROVEN, SealColumns
from musterd_coordinator.sweep.signed.signing import Signing

REMEMBERED = 1 << 16
"""Members without a slot of which the newest beat is remembered: the latest."""

RENEWED = 20_000
"""Members for which another key is taken in one sweep: a fifth of a second. The key of before is good
for them until then."""

_PORTION = 250  # members that are told of in one step

Seated = tuple[int, Member]


class Claim(NamedTuple):
    """A `Claim` is what is announced in a slot, and not borne out by a beat yet."""

    identity: int
    member: Member


class Run(NamedTuple):
    """A `Run` is a run of a member's agent, and how far it came."""

    run: int
    sequence: int


class Claims:
    """These are the claims of a shard, and the members that are proven; both by slot.

    ``claims`` are those that no beat bore out yet.
    """

    def __init__(self, signing: Signing, shard: str) -> None:
        self.columns = SealColumns(signing.keys)
        self.claims: dict[int, Claim] = {}
        self._proven: dict[int, Member] = {}  # of which nobody was told yet
        self._signing = signing
        self._shard = shard
        self._behind: Slots = np.empty(0, np.int64)  # with no seals for a key that came
        self._stay: list[int] = []  # the places of keys that were known before
        self._home = IdMap()  # of the proven
        self._away: dict[int, Member] = {}
        self._leaving: dict[
            int, float
        ] = {}  # slots of the proven that the roster vacated, and when
        self._left: OrderedDict[int, Run] = OrderedDict()

    def drain_proven(self) -> list[Seated]:
        """Return who was proven since the last call, or proven elsewhere or with other facts.

        A sweep may come to nothing after a beat in it was read, and proofs are not repeated.
        """
        proven, self._proven = list(self._proven.items()), {}
        return proven

    # -- what a roster says --------------------------------------------------------------

    def filter_roster(self, roster: Roster, now: float) -> Steps[Roster]:
        """Take in a ``roster`` that nobody signed; return what of it is so at ``now``."""
        yield from self._follow_keys()
        seated = iter(roster.seated)
        while part := list(islice(seated, _PORTION)):
            yield from self.columns.make_room(1 + max(slot for slot, _ in part))
            self._claim(part)
            yield
        if not self._signing.required:
            for slot in roster.vacated:
                self._clear(slot)
            return roster
        return Roster((), self._vacate(roster.vacated, now), roster.more)

    def staying(self) -> Slots:
        """Return slots that the roster vacated, and that are read nonetheless."""
        return np.array(sorted(self._leaving), np.int64)

    def retire(self, member: Member) -> None:
        """Let go of ``member``: whoever runs the fleet had it forgotten."""
        slot = self._home.get(self._signing.identity(member))
        if slot is not None:
            self._leaving[slot] = -np.inf

    def seals(self, member: Member) -> bytes:
        """Return what records of ``member`` are checked with here."""
        return self._signing.seals(member, self.columns.keys)

    def _follow_keys(self) -> Steps[None]:
        """Check with the keys of now: a part of the members are seen to in each sweep."""
        columns, keys = self.columns, self._signing.keys
        if keys != columns.keys and not len(self._behind):
            before = columns.keys.given()
            self._stay = [at for at, key in enumerate(keys.given()) if key in before]
            yield from columns.exchange(keys)
            if len(self._stay) < columns.count:
                self._behind = np.flatnonzero(columns.member != NOBODY)
        for _ in range(0, min(len(self._behind), RENEWED), _PORTION):
            self._renew(self._behind[:_PORTION].tolist())
            self._behind = self._behind[_PORTION:]
            yield

    def _renew(self, slots: Sequence[int]) -> None:
        columns = self.columns
        for slot, seated in zip(slots, self._signing.members_in(self._shard, slots), strict=True):
            member = seated
            if columns.member[slot] == CLAIMED:
                member = self.claims[slot].member
            elif columns.member[slot] == AWAY:
                member = self._away[slot]
            if member is None or self._signing.identity(member) != columns.identity[slot]:
                continue
            seals = self.seals(member)
            if columns.agree(slot, seals, self._stay):
                columns.change_seals(slot, seals)

    def _claim(self, part: Sequence[Seated]) -> None:
        columns = self.columns
        slots = np.array([slot for slot, _ in part], np.int64)
        identities = self._signing.identities([member for _, member in part])
        seals = [self.seals(member) for _, member in part]
        new = np.ones(len(part), np.bool_)
        states = columns.member[slots].tolist()
        for at, ((slot, member), identity) in enumerate(
            zip(part, identities.tolist(), strict=True)
        ):
            if self._is_as_before(slot, identity, seals[at]):
                new[at] = False
                self.claims.pop(slot, None)
                continue
            self.claims[slot] = Claim(identity, member)
            if states[at] in (PROVEN, AWAY):
                new[at] = False
                columns.look_again(slot)
        if new.any():
            chosen = b"".join(each for each, is_new in zip(seals, new, strict=True) if is_new)
            columns.put(slots[new], identities[new], chosen, CLAIMED)

    def _is_as_before(self, slot: int, identity: int, seals: bytes) -> bool:
        """Say whether the member that is proven in ``slot`` is announced there with the same facts."""
        columns = self.columns
        if columns.member[slot] not in (PROVEN, AWAY) or columns.identity[slot] != identity:
            return False
        self._leaving.pop(slot, None)
        return columns.are_seals(slot, seals)

    def _vacate(self, slots: Iterable[int], now: float) -> list[int]:
        """Return the slots that are vacant: those whose members do not beat there any longer.

        Anybody may write that a slot has no member, or has another one.
        """
        columns, vacated = self.columns, list[int]()
        for slot in slots:
            if slot < len(columns.member) and columns.member[slot] in (PROVEN, AWAY):
                self._leaving.setdefault(slot, now)
            else:
                self._clear(slot)
        for slot, since in list(self._leaving.items()):
            heard_at = columns.heard_at.item(slot) if since > -np.inf else since
            stays = now - max(since, heard_at) <= self._signing.grace()
            if columns.member[slot] != PROVEN or not stays:
                self._clear(slot, self.claims.get(slot))
                vacated.append(slot)
        return vacated

    def _clear(self, slot: int, claim: Claim | None = None) -> None:
        """Have no member in ``slot``, or only one that is said to be there."""
        if slot >= len(self.columns.member):
            return
        if self.columns.member[slot] == PROVEN:
            self._drive_out(slot)
        self.columns.clear(slot)
        for kept in (self.claims, self._away, self._leaving):
            kept.pop(slot, None)
        if claim is not None:
            identity = np.array([claim.identity], np.uint64)
            self.columns.put(np.array([slot]), identity, self.seals(claim.member), CLAIMED)
            self.claims[slot] = claim

    # -- what beats say ------------------------------------------------------------------

    def is_newer(self, identity: int, run: int, sequence: int, now: float) -> bool:
        """Say whether a beat of the member is newer than all that were read of it on this shard.

        Where it begins another run, the one before ended.
        """
        ended, newest = self._signing.ended, self._newest(identity)
        if newest is not None and run == newest.run:
            return sequence > newest.sequence
        if ended.is_over(identity, run, sequence):
            return False
        if newest is not None:
            ended.add(identity, *newest, now)
        return True

    def prove(self, slot: int, seals: bytes | None = None) -> None:
        """Note that the member that is announced in ``slot`` beats there, or with other ``seals``."""
        columns, claim = self.columns, self.claims.pop(slot, None)
        if claim is None:
            identity, member = columns.identity.item(slot), self._away.pop(slot)
        else:
            identity, member = claim.identity, claim.member
        if columns.member[slot] == PROVEN and columns.identity[slot] != identity:
            self._drive_out(slot)
        if seals is not None:
            columns.identity[slot] = identity
            columns.change_seals(slot, seals)
        before = self._home.get(identity)
        if before is not None and before != slot:
            columns.member[before] = AWAY
            self._away[before] = member
            self._proven.pop(before, None)
            self._home.remove(identity)
        self._away.pop(slot, None)
        self._left.pop(identity, None)
        self._home.put(identity, slot)
        columns.member[slot] = PROVEN
        self._proven[slot] = member

    def _newest(self, identity: int) -> Run | None:
        slot = self._home.get(identity)
        if slot is None:
            return self._left.get(identity)
        return Run(self.columns.run.item(slot), self.columns.sequence.item(slot))

    def _drive_out(self, slot: int) -> None:
        """Let the member that is proven in ``slot`` have none, and remember how far it came."""
        columns = self.columns
        identity = columns.identity.item(slot)
        self._left[identity] = Run(columns.run.item(slot), columns.sequence.item(slot))
        self._left.move_to_end(identity)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        self._home.remove(identity)
        self._proven.pop(slot, None)
        columns.member[slot] = NOBODY
