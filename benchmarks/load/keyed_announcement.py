"""What agents of the slot protocol leave behind when they announce and beat once, in bulk."""

from collections.abc import Iterator

from benchmarks.load.fleet import Seated, Texts, hexadecimal, join, texts
from benchmarks.load.keyed_script import holders
from musterd.beat import SIZE
from musterd.stores.keyed import Keys

CHUNK = 5000
_LINE = b"\r\n"


def announcement(keys: Keys, ttl: int, members: Seated) -> Iterator[bytes]:
    """Commands without replies that write the ``m``, ``i`` and ``b`` keys of all members."""
    for slots, index, part in _portions(members):
        holder = holders(members.fleet.number[part])
        record = texts(members.records[part])
        yield join(
            *(b"set " + keys.holder(0)[:-8], slots, _sized(0, holder.shape[1]), holder, _LINE),
            *(b"set " + keys.index(0)[:-16], index, _sized(0, 8), slots, _LINE),
            *(b"set " + keys.beat_prefix, slots, _sized(ttl, SIZE), record, _LINE),
        ).tobytes()


def removal(keys: Keys, members: Seated) -> Iterator[bytes]:
    """Commands without replies that delete those keys."""
    end = b" noreply\r\n"
    for slots, index, _ in _portions(members):
        yield join(
            *(b"delete " + keys.holder(0)[:-8], slots, end),
            *(b"delete " + keys.index(0)[:-16], index, end),
            *(b"delete " + keys.beat_prefix, slots, end),
        ).tobytes()


def _portions(members: Seated) -> Iterator[tuple[Texts, Texts, slice]]:
    """Slots and member_ids as keys have them, some members at a time."""
    for at in range(0, len(members.slots), CHUNK):
        part = slice(at, at + CHUNK)
        ids = members.fleet.member_id[part]
        yield hexadecimal(members.slots[part], 8), hexadecimal(ids, 16), part


def _sized(ttl: int, size: int) -> bytes:
    return b" 0 %d %d noreply\r\n" % (ttl, size)
