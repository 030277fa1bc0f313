"""The module makes texts of fixed width for very many members, as rows of bytes; it is pure."""

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[np.uint8]  # (n, width), ASCII

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)


def hexadecimal(values: NDArray[np.generic], width: int) -> Texts:
    """Return ``b"%0{width}x"`` of each of ``values`` (n), shape (n, width)."""
    shifts = np.arange(4 * (width - 1), -1, -4, dtype=np.uint64)
    digits: Texts = _HEX[(values.astype(np.uint64)[:, None] >> shifts) & np.uint64(15)]
    return digits


def decimal(values: NDArray[np.int64], width: int) -> Texts:
    """Return ``b"%0{width}d"`` of each of ``values`` (n), shape (n, width)."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def join(*parts: bytes | Texts) -> Texts:
    """Join the texts of ``parts`` end to end, row by row; bytes are the same in every row."""
    rows = next(len(part) for part in parts if not isinstance(part, bytes))
    wide = [
        np.broadcast_to(np.frombuffer(part, np.uint8), (rows, len(part)))
        if isinstance(part, bytes)
        else part
        for part in parts
    ]
    return np.concatenate(wide, axis=1)


def texts(rows: NDArray[np.void]) -> Texts:
    """Return the bytes of ``rows`` (n), shape (n, bytes of a row)."""
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.itemsize)
