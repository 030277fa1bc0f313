"""The module is what agents' ways to databases have in common: members, their seats and signatures.

It imports no NumPy.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from musterd.beat import Beat, member_id, pack
from musterd.keys import Keyring, Seal
from musterd.model import Member
from musterd.stores.crowd import BeatRow, Do, Newcomer, Seated, SharedStatements
from musterd.stores.link import Link, again
from musterd.stores.signing import LOOK_EVERY, RewritePace, SeenChallenge

_NAMESPACE, _MAC = 3, 4  # of the arguments of a signed beat


@dataclass(slots=True)
class _Seat:
    slot: int
    seal: Seal | None
    told: tuple[Any, ...]  # what its row has to say of it, where there is a seal
    patience: RewritePace
    beats: int = 0


class RowWriter(ABC):
    """A ``RowWriter`` is one agent process's way to a database with a row for each beat.

    See :class:`musterd.stores.base.ShardWriter`. What is due of many members goes by ``store`` and
    ``seat``: see :class:`musterd.stores.crowd.SharedStatements`.
    """

    def __init__(
        self, link: Link[Any], namespace: str, keyring: Keyring | None, store: Do, seat: Do
    ) -> None:
        self.name = link.name
        self._link = link
        self._namespace = namespace
        self._keyring = keyring
        self._version = keyring.version if keyring else 0
        self._challenge = SeenChallenge()
        self._seats: dict[int, _Seat] = {}
        self._members: set[int] = set()  # where they are many, they share what they say
        self._crowd = SharedStatements(link.name, store, seat)

    @abstractmethod
    def _facts(self, member: Member) -> Any:
        """Return what a look at a member's row compares with its zone, owner and metadata."""

    @abstractmethod
    async def _announce_one(self, row: Newcomer) -> Seated:
        """Announce one member; return its slot, and the challenge where members are signed."""

    @abstractmethod
    async def _write(self, row: BeatRow) -> Any:
        """Write one beat; return what is false where no row was found, and else the challenge."""

    @abstractmethod
    async def _retire(self, its_id: int) -> None:
        """Give up the slot and the beat of one of the agent's own members."""

    @abstractmethod
    def _newcomer(self, its_id: int, member: Member) -> Newcomer:
        """Return the arguments of an announcement, without the mac."""

    async def announce(self, member: Member) -> None:
        """Take (or find again) a slot for ``member``."""
        await again(lambda: self._announce(member))

    async def _announce(self, member: Member) -> None:
        its_id = member_id(self._namespace, member.group, member.name)
        row = self._newcomer(its_id, member)
        self._members.add(its_id)
        if self._keyring is None:
            slot, seal = (await self._seat(row))[0], None
        else:
            seal = self._keyring.seal(member)
            slot, challenge = await self._seat((*row, seal.mac if seal else None))
            self._challenge.saw(challenge)
        before = self._seats.get(its_id)
        told = (seal.mac, self._facts(member)) if seal else ()
        self._seats[its_id] = _Seat(slot, seal, told, before.patience if before else RewritePace())

    async def _seat(self, row: Newcomer) -> Seated:
        if len(self._members) > 1:
            return await self._crowd.announce(row)
        return await self._announce_one(row)

    async def beat(self, beat: Beat) -> bool:
        """Overwrite the member's beat; return False when the row is gone, or somebody changed it."""
        self._follow_keys()
        seat = self._seats.get(beat.member_id)
        if seat is None:
            return False
        if self._keyring is None:
            row: BeatRow = seat.slot, signed(beat.member_id), pack(beat)
            return bool(await self._store(row))
        row = self._signed_row(seat, beat)
        challenge = await self._store(row)
        self._challenge.saw(challenge)
        seat.beats += 1
        if challenge is None and row[_MAC] is not None:
            seat.patience.wrote()
        return challenge is not None

    async def write(self, slot: int, beat: Beat) -> bool:
        """Overwrite the beat in ``slot``, with the mac it has, if it is this member's; else False."""
        row = slot, signed(beat.member_id), pack(beat)
        return bool(await again(lambda: self._write(row)))

    def _follow_keys(self) -> None:
        """Have every member announced anew, with its next beat, where the keys are others now."""
        if self._keyring is not None and self._keyring.version != self._version:
            self._version = self._keyring.version
            self._seats.clear()

    def _signed_row(self, seat: _Seat, beat: Beat) -> BeatRow:
        """Return what is said with a beat.

        Now and then that asks for the challenge, and for what the agent announced.
        """
        digest = self._challenge.digest
        record = seat.seal.record(beat, digest) if seat.seal else pack(beat)
        row = seat.slot, signed(beat.member_id), record
        if seat.beats % LOOK_EVERY != LOOK_EVERY - 1:
            return *row, "", None, None
        told = seat.told if seat.told and seat.patience.is_over() else (None, None)
        return *row, self._namespace, *told

    async def _store(self, row: BeatRow) -> Any:
        if len(self._members) > 1:
            return await self._crowd.beat(row)
        return await again(lambda: self._write(row))

    async def retire(self, member: Member) -> None:
        """Give up the member's slot and its beat."""
        its_id = member_id(self._namespace, member.group, member.name)
        await self._retire(signed(its_id))
        self._seats.pop(its_id, None)
        self._members.discard(its_id)

    async def renew(self) -> str:
        """Connect anew if the host's name has moved, and now and then; return the new address if so."""
        return await self._link.freshen()

    async def aclose(self) -> None:
        """Close the connection without waiting for the network."""
        self._crowd.close()
        self._link.close()


def compact(facts: object) -> str:
    """Return ``facts`` as JSON."""
    return msgspec.json.encode(facts).decode()


def signed(number: int) -> int:
    """Return the bigint with the same 64 bits as the unsigned ``number``."""
    return number - (1 << 64) if number >= 1 << 63 else number


def namespace_key(namespace: str) -> int:
    """Return a fixed-width stand-in for ``namespace``, to keep other namespaces out of a sweep.

    Two namespaces may share one; that costs time and nothing else.
    """
    return int.from_bytes(blake2b(namespace.encode(), digest_size=4).digest(), signed=True)
