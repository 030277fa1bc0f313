"""A binary COPY of beats, parsed by stride.

The format is that of the PostgreSQL manual, "COPY", "Binary Format": a header of 19 bytes, then
for each row a count of fields and for each field its length and its bytes, all big-endian, and a
field count of -1 at the end. Rows here are a slot and a record of 64 bytes, so every row is as
long as the next.
"""

import numpy as np
from numpy.typing import NDArray

from musterd.columns import RECORD

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


def parse_copy(data: bytes | bytearray) -> NDArray[np.void]:
    """The rows of a COPY as an array with the fields ``slot`` and ``record``; a view of ``data``.

    Raises ValueError, saying what is wrong, for anything but one whole COPY of such rows.
    """
    size = len(data) - len(_HEADER) - len(_TRAILER)
    if size < 0 or not data.startswith(_HEADER):
        raise ValueError("a COPY does not begin as one")
    if not data.endswith(_TRAILER):
        raise ValueError("a COPY was cut short")
    if size % _ROW.itemsize:
        raise ValueError(f"{size} bytes of rows are no multiple of {_ROW.itemsize}")
    rows = np.frombuffer(data, _ROW, size // _ROW.itemsize, len(_HEADER))
    for name, expected in _FIXED.items():
        if (rows[name] != expected).any():
            raise ValueError(f"a row of a COPY has {name} other than {expected}")
    return rows
