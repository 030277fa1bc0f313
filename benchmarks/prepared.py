"""The module makes beats ready before a clock starts, and sends them when they are due.

To sign and lay out a million beats takes as much CPU as the coordinator that reads them. Where both
share a few cores it would be the sender that is measured, and late. So all of that is done while
nothing is measured: what is left is to hand some five hundred kilobytes to a socket, twenty times a
second for a million members that beat every ten seconds.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from math import ceil

import anyio

from benchmarks.fleet import Fill, Fleet, Send, in_turn, portions_of

SPARE = 2.0
"""Seconds of beats beyond those that are asked for."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """``Prepared`` are beats: in each portion of them how many, and what writes them.

    A portion is due ``pause`` seconds after the one before.
    """

    portions: Sequence[tuple[int, Send]]
    pause: float


@dataclass(slots=True)
class Sent:
    """A `Sent` says how many ``beats`` were written, and how late the latest of them was since a look.

    ``behind`` is in seconds.
    """

    beats: int = 0
    behind: float = 0.0


async def prepare(fleet: Fleet, fill: Fill, interval: float, duration: float) -> Prepared:
    """Let all members beat once an ``interval`` for ``duration`` seconds, and write none of it yet.

    Each beat has the time at which it was made ready.
    """
    pause = interval / portions_of(interval)
    portions = list[tuple[int, Send]]()
    for rows in islice(in_turn(fleet, interval), ceil((duration + SPARE) / pause)):
        fleet.beat(rows)
        portions.append((len(rows), await fill.prepare(rows)))
    return Prepared(portions, pause)


@asynccontextmanager
async def sending(beats: Prepared) -> AsyncIterator[Sent]:
    """Write ``beats`` as they are due while the context lasts. What was late is made up for.

    Raises RuntimeError when they come to their end before that.
    """
    sent = Sent()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_send, beats, sent)
        yield sent
        tasks.cancel_scope.cancel()


async def _send(beats: Prepared, sent: Sent) -> None:
    due = anyio.current_time()
    for count, write in beats.portions:
        await anyio.sleep_until(due)
        with anyio.CancelScope(shield=True):
            await write()
        sent.beats += count
        sent.behind = max(sent.behind, anyio.current_time() - due)
        due += beats.pause
    raise RuntimeError(
        "all beats that were prepared are sent: the machine was too busy for the clock"
    )
