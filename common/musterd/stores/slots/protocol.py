"""The module is the slot protocol: how members share a server of keys and values and nothing else.

It is the same for memcached, the embedded store and the in-process table. All keys have a fixed
width within a namespace:

=======================  =====================================================================
``<ns>:n``               slot counter, raised by ``incr``: no slot at or above it is in use
``<ns>:m:%08x``          what holds a slot: a :class:`~musterd.model.Member` in msgpack, with the mac
                         of a signed announcement; nil for a while after its holder was retired
``<ns>:i:%016x``         a member's slot, by member_id
``<ns>:b:%08x``          the beat in a slot; the only kind of key that expires by itself
``<ns>:c:%08x``          a coordinator's canary; its name is hashed, so that canaries are as large as
                         beats: a full memcached evicts by size
``<ns>:e``               the challenge: what beats are signed with besides; coordinators write it
``<ns>:f``               a few slots that coordinators found free, for newcomers to try
=======================  =====================================================================

``add`` and ``cas`` of the ``m`` key decide which member holds a slot, so that no order of calls, no
crash between two of them and no lost key can give a slot to two members that both know it. What is
left is healed by *knocking*: a process that finds a beat where it does not belong, or a beat without
its ``m``, deletes the beat. The agent that sent it is told NOT_STORED at its next beat and announces
again, which checks and restores ``n``, ``m`` and ``i``. Knocking at the wrong door costs one extra
announcement and never a verdict. Where two beat in one slot, and one always overwrites the other,
no coordinator knows which one to knock for: so every few beats an agent reads ``m`` too.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Protocol, TypeVar

import msgspec

from musterd.beat import member_id
from musterd.errors import ConfigError
from musterd.model import Member, check_member

SLOT_LIMIT = 2**24
HOLDER_LIMIT = 16 << 10
"""Bytes of an ``m``. The longest names and texts, and as much metadata as there may be, take less."""

COUNTER_LIMIT = 20  # digits; memcached counts no further
TTL_LIMIT = 30 * 24 * 3600  # memcached takes a larger expiry for a date
RETIRED = msgspec.msgpack.encode(None)

_M = TypeVar("_M", bound=Member)
_SLOT = re.compile(rb"[0-9a-f]{8}")


class _Signed(Member, frozen=True, gc=False):
    mac: bytes = b""


_decoder = msgspec.msgpack.Decoder(Member | None)
_signed_decoder = msgspec.msgpack.Decoder(_Signed | None)


class KeyValue(Protocol):
    """A ``KeyValue`` is one connection to one shard, with memcached's verbs.

    It raises nothing but StoreError. ``ttl`` is in whole seconds, 0 for ever.
    """

    name: str

    async def gets(self, key: bytes) -> tuple[bytes | None, int]:
        """Return the value, None when absent, and the token that :meth:`cas` wants."""

    async def get_many(self, *keys: bytes) -> Sequence[bytes | None]:
        """Return the value of each key, None when absent, in one round trip."""

    async def set(self, key: bytes, value: bytes, ttl: int = 0) -> None:
        """Store the value, whatever was there."""

    async def add(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is absent."""

    async def replace(self, key: bytes, value: bytes, ttl: int = 0) -> bool:
        """Store the value if the key is present."""

    async def cas(self, key: bytes, value: bytes, token: int, ttl: int = 0) -> bool:
        """Store the value if the key did not change since the :meth:`gets` that gave ``token``."""

    async def incr(self, key: bytes, step: int) -> int | None:
        """Return the decimal value after adding ``step`` to it; None when absent."""

    async def delete(self, key: bytes) -> None:
        """Remove the key if it is there."""

    async def renew(self) -> str:
        """Use a new connection; give up the old one after the new one was answered.

        Returns the new address where it is another than before, else an empty text.
        """

    def close(self) -> None:
        """Drop the connection at once; the next call connects anew."""


class Keys:
    """``Keys`` names all keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self._prefix = namespace.encode()
        self.counter = self._prefix + b":n"
        self.free = self._prefix + b":f"
        self.challenge = self._prefix + b":e"
        self.beat_prefix = self._prefix + b":b:"

    def holder(self, slot: int) -> bytes:
        """Return the key that says what holds ``slot``."""
        return b"%b:m:%08x" % (self._prefix, slot)

    def holders(self, slots: Iterable[int]) -> list[bytes]:
        """Return what :meth:`holder` returns, for many slots."""
        prefix = self._prefix
        return [b"%b:m:%08x" % (prefix, slot) for slot in slots]

    def beat(self, slot: int) -> bytes:
        """Return the key of the beat in ``slot``."""
        return b"%b%08x" % (self.beat_prefix, slot)

    def index(self, identity: int) -> bytes:
        """Return the key that says where the member with this member_id sits."""
        return b"%b:i:%016x" % (self._prefix, identity)

    def canary(self, coordinator: str) -> bytes:
        """Return the key of a coordinator's own beat.

        Two coordinators with one key would see each other's, and prove nothing.
        """
        name = blake2b(coordinator.encode(), digest_size=4).digest()
        return b"%b:c:%08x" % (self._prefix, int.from_bytes(name))

    def identity(self, member: Member) -> int:
        """Return the member_id of ``member`` in this namespace."""
        return member_id(self.namespace, member.group, member.name)


UNREADABLE = (ConfigError, msgspec.MsgspecError, ValueError, TypeError, RecursionError, MemoryError)
"""All that may come of decoding bytes that anybody wrote: bad UTF-8 is a ValueError of msgspec's, a
thousand nested arrays in an unknown field are a RecursionError."""


class HolderError(ValueError):
    """The value of an ``m`` key names no member; the text says why."""


def write_holder(member: Member, mac: bytes = b"") -> bytes:
    """Return the value of the ``m`` key of a slot that ``member`` holds; ``mac`` where it is signed."""
    if not mac:
        return msgspec.msgpack.encode(member)
    facts = member.zone, member.owner, member.metadata
    return msgspec.msgpack.encode(_Signed(member.group, member.name, *facts, mac))


def read_announcement(value: bytes) -> tuple[Member, bytes] | None:
    """Return what holds the slot and the mac that came with it, which is empty where it is unsigned.

    Otherwise as :func:`read_holder`.
    """
    said = _read(_signed_decoder, value)
    if said is None:
        return None
    return Member(said.group, said.name, said.zone, said.owner, said.metadata), said.mac


def read_holder(value: bytes) -> Member | None:
    """Return what holds the slot; None when the last holder was retired.

    Raises :class:`HolderError`. Any client may have written it: whatever the decoder makes of it,
    this value alone is refused. A mac in it is passed over.
    """
    return _read(_decoder, value)


def _read(decoder: "msgspec.msgpack.Decoder[_M | None]", value: bytes) -> _M | None:
    if len(value) > HOLDER_LIMIT:
        raise HolderError(f"more than {HOLDER_LIMIT} bytes")
    try:
        member = decoder.decode(value)
        if member is not None:
            check_member(member)
        return member
    except UNREADABLE as error:
        raise HolderError(str(error) or type(error).__name__) from None


def write_slots(*slots: int) -> bytes:
    """Return slots as eight hexadecimal digits each, end to end: the value of ``i`` and ``f`` keys."""
    return b"".join(b"%08x" % slot for slot in slots)


def read_slots(value: bytes | None) -> list[int]:
    """Return the slots in the value of an ``i`` or ``f`` key; leave out what is no slot."""
    texts = (value[at : at + 8] for at in range(0, len(value), 8)) if value else ()
    slots = (int(text, 16) for text in texts if _SLOT.fullmatch(text))
    return [slot for slot in slots if slot < SLOT_LIMIT]


def read_counter(value: bytes | None) -> int:
    """Return the slot counter in ``value``; 0 when it is absent or nonsense."""
    text = b"" if value is None else value.strip()
    if not text.isdigit() or len(text) > COUNTER_LIMIT:
        return 0
    count = int(text)
    return count if count <= SLOT_LIMIT else 0


def whole_ttl(seconds: float) -> int:
    """Return ``seconds`` as an expiry that memcached takes for a duration, never for "never"."""
    return max(1, min(TTL_LIMIT, round(seconds)))
