"""The module parses a binary COPY of beats by stride while it arrives.

The format is that of the PostgreSQL manual, "COPY", "Binary Format": a header of 19 bytes, then for
each row a count of fields and for each field its length and its bytes, all big-endian, and a field
count of -1 at the end. Rows here are a slot and a record of 64 bytes, so every row is as long as
the next.
"""

import numpy as np
from numpy.typing import NDArray

from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.columns import RECORD

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("slot_length", ">i4"),
        ("slot", ">i4"),
        ("record_length", ">i4"),
        ("record", RECORD),
    ]
)
_FIXED = {"fields": 2, "slot_length": 4, "record_length": RECORD.itemsize}


class Copy:
    """A `Copy` takes in one COPY chunk by chunk; a chunk may end anywhere.

    Both methods raise ShardCorrupt, saying what is wrong, for anything but a COPY of such rows.
    """

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self._begun = False
        self._rest = b""

    def rows(self, chunk: bytes) -> NDArray[np.void]:
        """Return the rows that end in ``chunk``, views with the fields ``slot`` and ``record``."""
        data = self._rest + chunk
        begin = 0 if self._begun else self._header_in(data)
        count = (len(data) - begin) // _ROW.itemsize
        self._rest = data[begin + count * _ROW.itemsize :]
        rows = np.ndarray(count, _ROW, data, begin)
        for name, expected in _FIXED.items():
            if (rows[name] != expected).any():
                raise self._corrupt(f"a row of a COPY has {name} other than {expected}")
        return rows

    def finish(self) -> None:
        """Check that the COPY ended: there is no further chunk."""
        if not self._begun or self._rest != _TRAILER:
            raise self._corrupt("a COPY does not end as one")

    def _header_in(self, data: bytes) -> int:
        """Return how many bytes of ``data`` are of the header; its rows begin once it is whole."""
        if data[: len(_HEADER)] != _HEADER[: len(data)]:
            raise self._corrupt("a COPY does not begin as one")
        self._begun = len(data) >= len(_HEADER)
        return len(_HEADER) if self._begun else 0

    def _corrupt(self, reason: str) -> ShardCorrupt:
        return ShardCorrupt(self._shard, reason)
