"""The module reads every beat of a namespace, a thousand of them as one value.

The server joins the rows of a thousand slots to one text: so the driver makes no object of each, and
rows become columns by stride. No engine shows anybody which rows changed, and a column with an index that
would say so costs every beat: all beats are read, at each sweep.

A table in memory is locked as a whole: by a query for two milliseconds, in which beats wait. They go first
where both wait, and must not keep it out: so it has their priority.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musterd.errors import ShardCorrupt
from musterd.stores.mysql.session import Session
from musterd_coordinator.steps import Steps
from musterd_coordinator.sweep.columns import RECORD
from musterd_coordinator.sweep.turns import in_steps

PORTION = 1 << 13
"""Slots that one query reads: 600 kB, and a millisecond or two of the event loop."""

_BASE = 4_000_000_000  # with it every slot, those below zero too, has ten digits
_ROW = np.dtype([("digits", "u1", (10,)), ("record", RECORD)])
_POWERS = 10 ** np.arange(9, -1, -1, dtype=np.int64)
_BEATS = f"""
SELECT HIGH_PRIORITY COUNT(*), GROUP_CONCAT(slot + {_BASE}, record SEPARATOR '') FROM musterd_beat
WHERE namespace_key = ? AND slot >= ? AND slot < ? GROUP BY slot DIV 1000
"""
_ONE = f"""
SELECT 1, CONCAT(slot + {_BASE}, record) FROM musterd_beat WHERE namespace_key = ? AND slot = ?
"""
_SLOT_AND_RECORD = np.dtype([("slot", np.int64), ("record", RECORD)])

Collect = Callable[[NDArray[Any]], Steps[None] | None]
"""Collects rows with the fields ``slot`` and ``record``, which come in no order; at once, or in steps."""


async def read_beats(
    session: Session, key: int, top: int, canary_slot: int, collect: Collect
) -> None:
    """Give the beats in slots below ``top``, and the canary, to ``collect``; ``key`` is the namespace's.

    Raises StoreError and the driver's errors.
    """
    await _give((await session.execute(_ONE, (key, canary_slot))).rows, collect)
    for begin in range(0, top, PORTION):
        values = key, begin, begin + PORTION
        await _give((await session.execute(_BEATS, values)).rows, collect)


async def _give(joined: Any, collect: Collect) -> None:
    for count, text in joined:
        if (steps := collect(rows_in(count, bytes(text)))) is not None:
            await in_steps(steps)


def rows_in(count: int, text: bytes) -> NDArray[np.void]:
    """Return the ``count`` rows that were joined to ``text``; raise ShardCorrupt for other text."""
    if len(text) != count * _ROW.itemsize:
        raise ShardCorrupt("musterd_beat", f"{len(text)} bytes are not {count} beats")
    joined = np.frombuffer(text, _ROW)
    digits = joined["digits"].astype(np.int64) - ord("0")
    if ((digits < 0) | (digits > 9)).any():  # noqa: PLR2004
        raise ShardCorrupt("musterd_beat", "a slot is no number")
    rows = np.empty(count, _SLOT_AND_RECORD)
    rows["slot"] = digits @ _POWERS - _BASE
    rows["record"] = joined["record"]
    return rows
