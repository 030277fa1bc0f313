"""Large columns are in memory of their own, straight from the system.

``np.zeros`` takes what was freed before, and writes zeros over it: a column that is not used then
takes memory. And what is freed in the midst of the heap stays with the process.
"""

import mmap
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 1 << 16
"""Bytes from which that is worth two calls of the system."""


def zeros(shape: int | tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return zeros; each page of a large column takes memory from when it is written to first."""
    shape, kind = (shape,) if isinstance(shape, int) else shape, np.dtype(dtype)
    size = prod(shape) * kind.itemsize
    if size < LEAST:
        return np.zeros(shape, kind)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(pages, kind).reshape(shape)


def grown(column: NDArray[Any], size: int, empty: float = 0) -> NDArray[Any]:
    """Return ``column`` (…, n) with room for ``size`` >= n; ``empty`` beyond n."""
    larger = zeros((*column.shape[:-1], size), column.dtype)
    have = column.shape[-1]
    larger[..., :have] = column
    if empty != 0:  # what is not written to takes no memory
        larger[..., have:] = empty
    return larger


def with_room(column: NDArray[Any], size: int, empty: float = 0) -> NDArray[Any]:
    """Return ``column`` (n) if n >= ``size``, else one with room for that, or a quarter more than n."""
    have = len(column)
    return column if have >= size else grown(column, max(size, have + have // 4), empty)
