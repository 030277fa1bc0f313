"""The module parses a binary COPY by stride while it arrives.

The format is that of the PostgreSQL manual, "COPY", "Binary Format": a header of 19 bytes, then for
each row a count of fields and for each field its length and its bytes, all big-endian, and a field
count of -1 at the end. Rows here are of fields that are never null and each of one size, such as a slot
and a record of 64 bytes, so every row is as long as the next.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.columns import RECORD

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"


class Layout(NamedTuple):
    """A `Layout` is how rows are laid out, and what in each of them is always the same."""

    row: np.dtype[Any]
    fixed: Mapping[str, int]


def layout_of(**fields: Any) -> Layout:
    """Return the layout of rows with ``fields`` (NumPy's types by name), in this order."""
    kinds = {name: np.dtype(kind) for name, kind in fields.items()}
    lengths = {f"{name}_length": kind.itemsize for name, kind in kinds.items()}
    row: list[tuple[str, Any]] = [("fields", ">i2")]
    for name, kind in kinds.items():
        row += [(f"{name}_length", ">i4"), (name, kind)]
    return Layout(np.dtype(row), {"fields": len(kinds), **lengths})


BEATS = layout_of(slot=">i4", record=RECORD)
"""Rows of the table of beats."""


class Copy:
    """A `Copy` takes in one COPY of rows with this ``layout`` chunk by chunk; a chunk may end anywhere.

    Both methods raise ShardCorrupt, saying what is wrong, for anything but a COPY of such rows.
    """

    def __init__(self, shard: str, layout: Layout = BEATS) -> None:
        self._shard = shard
        self._layout = layout
        self._begun = False
        self._rest = b""

    def rows(self, chunk: bytes) -> NDArray[np.void]:
        """Return the rows that end in ``chunk``, as views."""
        data = self._rest + chunk
        begin = 0 if self._begun else self._header_in(data)
        size = self._layout.row.itemsize
        count = (len(data) - begin) // size
        self._rest = data[begin + count * size :]
        rows = np.ndarray(count, self._layout.row, data, begin)
        for name, expected in self._layout.fixed.items():
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
