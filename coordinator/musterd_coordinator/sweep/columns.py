"""The module parses many beats into NumPy columns, without a Python object per beat."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.beat import MAGIC, SIGNED, SIZE, VERSION, VERSIONS, Status

RECORD = np.dtype(
    [
        ("magic", "<u2"),
        ("version", "u1"),
        ("status", "u1"),
        ("interval_ms", "<u4"),
        ("member_id", "<u8"),
        ("incarnation", "<u8"),
        ("sequence", "<u8"),
        ("sent_ms", "<i8"),
        ("missed", "<u2"),
        ("push_timeout_ms", "<u2"),
        ("lag_ms", "<u4"),
        ("mac", "V16"),
    ]
)
assert RECORD.itemsize == SIZE

WORDS = 6
"""Eight-byte words of a record that hold all of it but its mac."""

Bools = NDArray[np.bool_]
Slots = NDArray[np.int64]
Seconds = NDArray[np.float64]
Words = NDArray[np.uint64]
"""The words of n records, of shape (WORDS, n): a row for each word, and each row contiguous."""

_WORD = np.dtype("<u8")
_BEGINNINGS = [MAGIC | version << 16 for version in VERSIONS]  # of every record
_BEGIN_MASK = np.uint64(0xFFFFFF)
_BEGIN_OK = [(MAGIC | one << 16 | Status.OK << 24).to_bytes(4, "little") for one in VERSIONS]


class Beats(NamedTuple):
    """These are columns of n beats; row i of each is of the same beat, which was read in ``slot``."""

    slot: Slots
    member_id: NDArray[np.uint64]
    incarnation: NDArray[np.uint64]
    sequence: NDArray[np.uint64]
    interval_ms: NDArray[np.uint32]
    status: NDArray[np.uint8]
    sent_ms: NDArray[np.int64]
    missed: NDArray[np.uint16]
    push_timeout_ms: NDArray[np.uint16]
    lag_ms: NDArray[np.uint32]

    def parts(self, size: int) -> "Iterator[Beats]":
        """Yield the same beats in portions of at most ``size``; these are views, no copies."""
        for at in range(0, len(self.slot), size):
            yield Beats._make(column[at : at + size] for column in self)

    def where(self, keep: Bools | NDArray[np.intp]) -> "Beats":
        """Return only the rows in ``keep``: a mask of shape (n,), or their numbers."""
        return Beats._make(column[keep] for column in self)


class Rejected(NamedTuple):
    """A `Rejected` counts the wrong values of a sweep, by what was wrong with them.

    The first five are records that were no beats, the next six what a keyed store says beside them:
    ``oversized`` are values of any kind that were not even read. The last are records of a fleet
    with keys: with a ``mac`` that is not that of their member's key, ``stale`` ones that were signed
    before or copied, and ``unsigned`` ones.
    """

    length: int = 0
    magic: int = 0
    version: int = 0
    field: int = 0
    member_id: int = 0
    holder: int = 0
    pointer: int = 0
    counter: int = 0
    hint: int = 0
    canary: int = 0
    oversized: int = 0
    mac: int = 0
    stale: int = 0
    unsigned: int = 0

    @property
    def beats(self) -> int:
        """Return how many of them are records that were no beats."""
        return sum(self[:5])

    def __add__(self, other: object) -> "Rejected":  # sums, not joins
        if not isinstance(other, Rejected):
            return NotImplemented
        return Rejected(*map(sum, zip(self, other, strict=True)))


def as_index(slots: Slots) -> Slots | slice:
    """Return ``slots`` (n) to index columns with: as a slice where each is one more than the last.

    A slice reads the same in a third of the time.
    """
    span = as_span(slots)
    return span if isinstance(span, slice) and (slots[1:] > slots[:-1]).all() else slots


def as_span(slots: Slots) -> Slots | slice:
    """Do as :func:`as_index`, for ``slots`` known to ascend, none of which comes twice."""
    if not len(slots) or slots[-1] - slots[0] != len(slots) - 1:
        return slots
    return slice(slots[0], slots[-1] + 1)


def no_beats() -> Beats:
    """Return zero beats."""
    return from_records(np.empty(0, np.int64), np.empty(0, RECORD))


def from_records(slots: Slots, records: NDArray[np.void]) -> Beats:
    """Return columns over ``records`` (n, dtype :data:`RECORD`) unchecked; views, no copies."""
    return Beats(
        slots,
        records["member_id"],
        records["incarnation"],
        records["sequence"],
        records["interval_ms"],
        records["status"],
        records["sent_ms"],
        records["missed"],
        records["push_timeout_ms"],
        records["lag_ms"],
    )


def words_in(
    buffer: bytes | memoryview, count: int, offset: int, stride: int, words: int = WORDS
) -> Words:
    """Return the words of ``count`` records: one at ``offset``, and one each ``stride`` on.

    They are a copy, and the only one: to turn records into columns costs no more than to copy them.
    ``words`` are as many of each: all eight with its mac.
    """
    shape, strides = (count, words), (stride, _WORD.itemsize)
    return np.ndarray(shape, _WORD, buffer, offset, strides).T.copy()


def from_words(slots: Slots, words: Words) -> Beats:
    """Return columns over ``words`` without checking them; these are views, no copies."""
    first, member_id, incarnation, sequence, sent_ms, last = words
    return Beats(
        slots,
        member_id,
        incarnation,
        sequence,
        first.view("<u4")[1::2],
        first.view(np.uint8)[3::8],
        sent_ms.view("<i8"),
        last.view("<u2")[0::4],
        last.view("<u2")[1::4],
        last.view("<u4")[1::2],
    )


def all_good(words: Words) -> bool:
    """Say whether all ``words``, one or more records, are beats: the same as :func:`sift`, sooner."""
    first, _, incarnation, sequence = words[:4]
    return bool(_begin_well(first) and incarnation.min() and sequence.min())


def _begin_well(first: NDArray[np.uint64]) -> bool:
    # Nearly always every status is OK, and all agents have a key or none has: then all beginnings
    # are the same, and to see that is quick.
    begins = first.view("<u4")[0::2]
    usual = begins[:1].tobytes()
    if usual in _BEGIN_OK and begins.tobytes() == usual * len(first):
        return True
    if first.view(np.uint8)[3::8].max() > Status.LEAVING:
        return False
    begins = first & _BEGIN_MASK
    if int(begins[0]) in _BEGINNINGS and (begins == begins[0]).all():
        return True
    unsigned, signed = (begins == beginning for beginning in _BEGINNINGS)
    return bool((unsigned | signed).all())


def sift(words: Words) -> tuple[Bools, Rejected]:
    """Say which of ``words`` are beats, and count those that are not, by what is wrong with them."""
    beats = from_words(np.empty(0, np.int64), words)
    first = words[0]
    bad, rejected = _faults(beats, first.view("<u2")[0::4], first.view(np.uint8)[2::8])
    return ~bad, rejected


def of_other_version(words: Words) -> Bools:
    """Say which of ``words`` are records that another version of this program may understand."""
    first = words[0]
    known = _is_known(first.view(np.uint8)[2::8])
    other: Bools = (first.view("<u2")[0::4] == MAGIC) & ~known
    return other


def parse(slots: Slots, data: bytes | bytearray | memoryview) -> tuple[Beats, Rejected]:
    """Return columns of the good records in ``data``, and how many were not good.

    ``slots`` has shape (n,), ``data`` is n records of 64 bytes end to end. Raises ValueError if the
    two do not match.
    """
    if len(data) != len(slots) * SIZE:
        raise ValueError(f"{len(data)} bytes are not {len(slots)} records of {SIZE}")
    return check_records(slots, np.frombuffer(data, RECORD))


def check_records(slots: Slots, records: NDArray[np.void]) -> tuple[Beats, Rejected]:
    """Do as :func:`parse`, for records that are already in an array of dtype :data:`RECORD`."""
    return check(from_records(slots, records), records["magic"], records["version"])


def check(
    beats: Beats, magic: NDArray[np.uint16], version: NDArray[np.uint8]
) -> tuple[Beats, Rejected]:
    """Return the good ones of ``beats``, and how many were not; all shapes are (n,)."""
    bad, rejected = _faults(beats, magic, version)
    return (beats.where(~bad) if bad.any() else beats), rejected


def _faults(
    beats: Beats, magic: NDArray[np.uint16], version: NDArray[np.uint8]
) -> tuple[Bools, Rejected]:
    bad_magic = magic != MAGIC
    bad_version = ~bad_magic & ~_is_known(version)
    bad_field = ~bad_magic & ~bad_version & _bad_fields(beats)
    rejected = Rejected(
        magic=int(bad_magic.sum()), version=int(bad_version.sum()), field=int(bad_field.sum())
    )
    return bad_magic | bad_version | bad_field, rejected


def _is_known(version: NDArray[np.uint8]) -> Bools:
    known: Bools = version == VERSION
    return known if known.all() else known | (version == SIGNED)


def _bad_fields(beats: Beats) -> Bools:
    bad: Bools = beats.status > Status.LEAVING
    bad |= beats.incarnation == 0
    bad |= beats.sequence == 0
    return bad
