"""A beat is a fixed record of 64 bytes, little-endian, so that many parse as one array.

=====  ===============  ======================================================================
bytes  field            note
=====  ===============  ======================================================================
0-1    magic            0x4D42
2      version          1: unsigned; 2: signed (:mod:`musterd.keys`)
3      status           :class:`Status`
4-7    interval_ms      how often this member promises to beat
8-15   member_id        64-bit BLAKE2b of namespace/group/member
16-23  incarnation      drawn at random once per agent run, never zero, never ordered
24-31  sequence         from 1, one more for each beat of the run
32-39  sent_ms          the agent's wall clock, for people; never for decisions
40-41  missed           pushes that failed since the last one that got through
42-43  push_timeout_ms  how long this agent waits for one push; 0: it does not say
44-47  lag_ms           how late this beat left, by the agent's monotonic clock
48-63  mac              zero where unsigned; whoever has no key takes no notice of it
=====  ===============  ======================================================================

Agents that are older than ``push_timeout_ms`` have zeros there, unless they count more than 65,535
missed pushes.

Parsing many at once needs NumPy and lives in :mod:`musterd_coordinator.sweep.columns`, so that an agent does
not carry NumPy.
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from hashlib import blake2b
from secrets import randbelow

import msgspec

from musterd.model import Member

MAGIC = 0x4D42
VERSION = 1
SIGNED = 2
VERSIONS = VERSION, SIGNED
SIZE = 64
HEAD = 48
"""Bytes of a record before its mac."""

NO_MAC = bytes(16)

_U16_MAX = 2**16 - 1
_U32_MAX = 2**32 - 1
_U64_MAX = 2**64 - 1
_RECORD = struct.Struct("<HBBIQQQqHHI16s")
_HEAD = struct.Struct("<HBBIQQQqHHI")
assert (_RECORD.size, _HEAD.size) == (SIZE, HEAD)


class Status(IntEnum):
    """A ``Status`` is what a member says of itself."""

    OK = 0
    CHECK_FAILING = 1
    DRAINING = 2
    LEAVING = 3


class Beat(msgspec.Struct, frozen=True, gc=False):
    """A ``Beat`` is one beat of one member.

    The ranges of its fields are those of the record above.
    """

    member_id: int
    incarnation: int
    sequence: int
    interval_ms: int
    status: Status = Status.OK
    sent_ms: int = 0
    missed: int = 0
    lag_ms: int = 0
    mac: bytes = NO_MAC
    push_timeout_ms: int = 0
    version: int = VERSION


class BeatError(ValueError):
    """A ``BeatError`` says that bytes are no beat; its text says which field is wrong."""


def member_id(namespace: str, group: str, member: str) -> int:
    """Return the 64-bit number by which a member is known in records and keys."""
    return int.from_bytes(member_digest(namespace, group, member), "little")


def member_digest(namespace: str, group: str, member: str) -> bytes:
    """Return the eight bytes of :func:`member_id`, as they stand in records."""
    return blake2b(f"{namespace}/{group}/{member}".encode(), digest_size=8).digest()


def member_digests(namespace: str, members: Iterable[Member]) -> list[bytes]:
    """Return :func:`member_digest` of many members."""
    return [
        blake2b(f"{namespace}/{member.group}/{member.name}".encode(), digest_size=8).digest()
        for member in members
    ]


def new_incarnation() -> int:
    """Return a random number in [1, 2**64) for one run of an agent.

    It is random and not a clock: a host is as alive as any even if its clock jumped back to 1970.
    """
    return 1 + randbelow(_U64_MAX)


def pack(beat: Beat) -> bytes:
    """Return the 64 bytes of ``beat``, with the mac that it has.

    Counts and measures stop at their largest value instead of wrapping. Raises :class:`BeatError`
    if an identity field does not fit.
    """
    return head(beat, beat.version) + beat.mac


def head(beat: Beat, version: int) -> bytes:
    """Return the 48 bytes before the mac, of a record of that ``version``; otherwise as :func:`pack`."""
    try:
        return _HEAD.pack(
            MAGIC,
            version,
            beat.status,
            min(beat.interval_ms, _U32_MAX),
            beat.member_id,
            beat.incarnation,
            beat.sequence,
            beat.sent_ms,
            min(beat.missed, _U16_MAX),
            min(beat.push_timeout_ms, _U16_MAX),
            min(beat.lag_ms, _U32_MAX),
        )
    except struct.error as error:
        raise BeatError(f"beat does not fit its record: {error}: {beat}") from None


def unpack(record: bytes) -> Beat:
    """Return the beat in ``record``; raise :class:`BeatError` that names the wrong field."""
    if len(record) != SIZE:
        raise BeatError(f"length is {len(record)}, not {SIZE}")
    magic, version, status, interval, member, incarnation, sequence, sent, *more = _RECORD.unpack(
        record
    )
    missed, push_timeout, lag, mac = more
    if magic != MAGIC:
        raise BeatError(f"magic is {magic:#06x}, not {MAGIC:#06x}")
    if version not in VERSIONS:
        raise BeatError(f"version is {version}, not {VERSION} or {SIGNED}")
    if status > Status.LEAVING:
        raise BeatError(f"status is {status}, not 0 to {Status.LEAVING.value}")
    if incarnation == 0 or sequence == 0:
        raise BeatError("incarnation and sequence are never zero")
    who = member, incarnation, sequence
    return Beat(*who, interval, Status(status), sent, missed, lag, mac, push_timeout, version)


def beat_in(record: bytes) -> Beat | None:
    """Return what :func:`unpack` does, but None for what is no beat."""
    try:
        return unpack(record)
    except BeatError:
        return None
