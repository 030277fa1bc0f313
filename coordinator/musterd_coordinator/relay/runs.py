"""Beats are found in the bytes of commands: one at a glance, or many of one width at once. Pure.

Members that share a connection send one ``replace`` after the other, each as long as the next.
So many of them are an array with one row per command, and are checked column by column.
"""

import re

import numpy as np
from numpy.typing import NDArray

from musterd.beat import MAGIC, SIZE, VERSIONS

MOST = 2048  # beats in one run
BEGINNINGS = tuple(MAGIC.to_bytes(2, "little") + bytes([version]) for version in VERSIONS)
"""The first bytes of every beat: unsigned ones, and signed ones."""

_DIGITS = 8  # of a slot, at the end of a key
_HEAD = re.compile(rb"(replace [!-~]{1,239}:b:)[0-9a-f]{8}( 0 [1-9][0-9]{0,9} 64\r\n)").match
_END = b"\r\n"
_IS_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789abcdef", np.uint8))


def find_run(data: bytes | bytearray) -> tuple[bytes, int] | None:
    """Return the beats of the usual commands with which ``data`` begins, and the commands' length.

    None where there are fewer than two of one width.
    """
    found = _HEAD(data)
    if found is None:
        return None
    head, middle = found.groups()
    begin = len(head) + _DIGITS + len(middle)
    stride = begin + SIZE + len(_END)
    count = min(len(data) // stride, MOST)
    if count <= 1:
        return None
    rows = np.frombuffer(bytes(data[: count * stride]), np.uint8).reshape(count, stride)
    beginning = rows[0, begin : begin + len(BEGINNINGS[0])].tobytes()
    count = _count(rows, head, middle + beginning) if beginning in BEGINNINGS else 0
    if count <= 1:
        return None
    return rows[:count, begin : begin + SIZE].tobytes(), count * stride


def _count(rows: NDArray[np.uint8], head: bytes, middle: bytes) -> int:
    """Return how many of ``rows`` are as they should be before one is not."""
    begin = len(head) + _DIGITS
    parts = (
        (slice(len(head)), head),
        (slice(begin, begin + len(middle)), middle),
        (slice(-len(_END), None), _END),
    )
    count = len(rows)
    for columns, text in parts:
        part = rows[:count, columns]
        if part.tobytes() != text * count:
            count = _until(np.all(part == np.frombuffer(text, np.uint8), axis=1))
    return _until(np.all(_IS_DIGIT[rows[:count, len(head) : begin]], axis=1))


def _until(right: NDArray[np.bool_]) -> int:
    """Return how many are true from the beginning on."""
    return len(right) if right.all() else int(right.argmin())
