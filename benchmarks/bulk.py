"""The module writes in bulk what agents leave behind when they announce and beat once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import anyio
import asyncpg
import numpy as np
from anyio.abc import SocketStream
from numpy.typing import NDArray

from benchmarks.texts import Texts, hexadecimal, join, texts
from musterd.beat import MAGIC, SIZE, VERSION
from musterd.errors import ShardRefused, ShardUnavailable
from musterd.model import Member
from musterd.stores.memcached.connection import unreachable
from musterd.stores.rowwriter import namespace_key
from musterd.stores.slots.protocol import Keys
from musterd.urls import host_and_port
from musterd_coordinator.sweep.columns import RECORD

TIMEOUT = 60.0
PORTION = 10_000
_LINE = b"\r\n"
_NO_REPLY = b" noreply\r\n"

Records = NDArray[np.void]  # (n,), dtype RECORD


def first_beats(
    ids: NDArray[np.uint64], incarnations: NDArray[np.uint64], interval: float, wall: float
) -> Records:
    """Return the first beats of n members, which leave at ``wall``. Durations are seconds."""
    records = np.zeros(len(ids), RECORD)
    records["magic"], records["version"] = MAGIC, VERSION
    records["interval_ms"] = milliseconds(interval)
    records["member_id"], records["incarnation"] = ids, incarnations
    records["sequence"], records["sent_ms"] = 1, round(wall * 1000)
    return records


def milliseconds(interval: float) -> int:
    """Return an interval (seconds) in milliseconds, as a record has it."""
    return max(1, round(interval * 1000))


def portions(count: int, size: int = PORTION) -> Iterator[slice]:
    """Yield the numbers below ``count`` as slices of ``size``."""
    return (slice(at, min(at + size, count)) for at in range(0, count, size))


def announcements(
    keys: Keys, ttl: int, slots: NDArray[np.int64], records: Records, holders: Texts
) -> bytes:
    """Return commands without replies that write the ``m``, ``i`` and ``b`` keys of n members.

    ``holders`` are their values of :func:`musterd.stores.slots.protocol.write_holder`, all of one
    width.
    """
    slot, index = hexadecimal(slots, 8), hexadecimal(records["member_id"], 16)
    return join(
        *(b"set " + keys.holder(0)[:-8], slot, _sized(0, holders.shape[1]), holders, _LINE),
        *(b"set " + keys.index(0)[:-16], index, _sized(0, 8), slot, _LINE),
        *(b"set " + keys.beat_prefix, slot, _sized(ttl, SIZE), texts(records), _LINE),
    ).tobytes()


def beats(keys: Keys, ttl: int, slots: NDArray[np.int64], records: Records) -> bytes:
    """Return commands without replies that write the newest beats of n members."""
    slot, sized = hexadecimal(slots, 8), _sized(ttl, SIZE)
    return join(b"set " + keys.beat_prefix, slot, sized, texts(records), _LINE).tobytes()


def removals(keys: Keys, slots: NDArray[np.int64], ids: NDArray[np.uint64]) -> bytes:
    """Return commands without replies that delete the three keys of n members."""
    slot, index = hexadecimal(slots, 8), hexadecimal(ids, 16)
    return join(
        *(b"delete " + keys.holder(0)[:-8], slot, _NO_REPLY),
        *(b"delete " + keys.index(0)[:-16], index, _NO_REPLY),
        *(b"delete " + keys.beat_prefix, slot, _NO_REPLY),
    ).tobytes()


def counter(keys: Keys, slots: int) -> bytes:
    """Return the command without a reply that has every slot below ``slots`` read.

    It has to be sent last.
    """
    value = b"%d" % slots
    return b"set " + keys.counter + _sized(0, len(value)) + value + _LINE


def _sized(ttl: int, size: int) -> bytes:
    return b" 0 %d %d noreply\r\n" % (ttl, size)


class Pipe:
    """A `Pipe` is a connection to one server of the slot protocol, for commands without replies."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stream: SocketStream | None = None

    async def pour(self, commands: Iterable[bytes]) -> None:
        """Send the commands, and wait until the server has seen them all. Raises StoreError."""
        stream = self._stream = self._stream or await self._connected()
        try:
            for part in chain(commands, [b"version\r\n"]):
                with anyio.fail_after(TIMEOUT):
                    await stream.send(part)
            with anyio.fail_after(TIMEOUT):
                answer = await stream.receive()
        except TimeoutError:
            raise ShardUnavailable(self._name, f"no answer within {TIMEOUT:g} s") from None
        except (anyio.BrokenResourceError, anyio.EndOfStream):
            raise ShardUnavailable(self._name, "connection lost") from None
        if not answer.startswith(b"VERSION"):  # whatever else it says is a refusal
            raise ShardRefused(self._name, answer[:100].decode("ascii", "replace").strip())

    async def aclose(self) -> None:
        """Close the connection."""
        if self._stream is not None:
            await self._stream.aclose()

    async def _connected(self) -> SocketStream:
        try:
            with anyio.fail_after(TIMEOUT):
                return await anyio.connect_tcp(*host_and_port(self._name))
        except TimeoutError:
            raise ShardUnavailable(self._name, f"no connection within {TIMEOUT:g} s") from None
        except OSError as error:
            raise ShardUnavailable(self._name, unreachable(_root(error))) from None


def _root(error: OSError) -> OSError:
    """Return what the system said, where anyio says that all attempts failed."""
    cause = first_cause(error.__cause__ or error)
    return cause if isinstance(cause, OSError) else error


def first_cause(error: BaseException) -> BaseException:
    """Return the first error in a group of groups; return an error that is no group itself."""
    return first_cause(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


# The rows of musterd.announce for many members at once, in slots that are set aside for them.
_MEMBERS = """
INSERT INTO musterd.member (
    slot, member_id, namespace, "group", name, zone, owner, metadata, changed, mac)
SELECT slot, member_id, $1, "group", name, zone, '', '{}', pg_current_xact_id(), mac
FROM unnest($2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[])
    AS new (slot, member_id, "group", name, zone, mac)
"""
_BEATS = f"""
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record, role_key)
SELECT member_id, now(), slot, $4, substr($3::bytea, 1 + (place::int - 1) * {SIZE}, {SIZE}),
    hashtext(SESSION_USER)
FROM unnest($1::int[], $2::bigint[]) WITH ORDINALITY AS new (slot, member_id, place)
"""


async def seat(
    connection: "asyncpg.Connection[asyncpg.Record]",
    namespace: str,
    slots: NDArray[np.int64],
    records: Records,
    members: Sequence[Member],
    macs: Sequence[bytes | None] | None = None,
) -> None:
    """Write the rows of n members without an owner and metadata, and their first beats.

    ``macs`` are those of their announcements, if they were signed.
    """
    seats, ids = slots.tolist(), records["member_id"].view(np.int64).tolist()
    groups, names, zones = zip(*((one.group, one.name, one.zone) for one in members), strict=True)
    signed = [None] * len(seats) if macs is None else macs
    await connection.execute(_MEMBERS, namespace, seats, ids, groups, names, zones, signed)
    await connection.execute(_BEATS, seats, ids, records.tobytes(), namespace_key(namespace))
