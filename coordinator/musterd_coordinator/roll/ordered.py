"""The module has what one order says of many members: it shows at once, and is made ready in steps."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.model import Facts, Member, Transition
from musterd.orders import Origin
from musterd_coordinator.judge.members import STATES, Rows
from musterd_coordinator.roll.changeset import ascending
from musterd_coordinator.roll.verdicts import NO_FACTS, orders_of
from musterd_coordinator.steps import Steps

AT_ONCE = 2000  # members that are made ready in one step


class OrderSet:
    """An `OrderSet` is an order for n members, none of which is in it twice, as one ``version``.

    It is the same for all of them, so their lines of history are made when they are asked for. Their
    ``states`` (n) are codes.
    """

    def __init__(
        self,
        version: int,
        at: datetime,
        rows: Rows,
        states: NDArray[np.uint8],
        note: str,
        origin: Origin,
    ) -> None:
        self.version = version
        self.at = at
        self.rows = rows
        self._states = states
        self._note = note
        self._origin = origin
        self._ascending: tuple[Rows, Rows] | None = None

    def place(self, row: int) -> int | None:
        """Return which of them, from 0, is that of ``row``; None if none is."""
        rows, places = self._ascending = self._ascending or ascending(self.rows)
        at = int(np.searchsorted(rows, row))
        return places.item(at) if at < len(rows) and rows.item(at) == row else None

    def line(self, place: int, member: Member) -> Transition:
        """Return the line of history of ``member``, which stands at ``place``."""
        state, names = STATES[self._states.item(place)], (member.group, member.name)
        at = self.version, self.at
        said = self._note, "", *self._origin, member.zone
        return Transition(*at, *names, state, state, *said)


class FactsReady(NamedTuple):
    """A `FactsReady` is what operators say of the members in ``rows`` (n), ready to be taken in.

    Of those in ``kept`` they say something, and of those ``dropped`` nothing any more. ``bits`` (n) are
    their orders.
    """

    rows: Rows
    kept: dict[int, Facts]
    dropped: Sequence[int]
    bits: NDArray[np.uint8]


def ready(rows: Rows, facts: Sequence[Facts]) -> Steps[FactsReady]:
    """Return ``facts`` (n) of ``rows`` (n), made ready in steps."""
    kept, dropped, bits = dict[int, Facts](), list[int](), np.zeros(len(rows), np.uint8)
    for begin in range(0, len(rows), AT_ONCE):
        part = slice(begin, begin + AT_ONCE)
        each = list(zip(rows[part].tolist(), facts[part], strict=True))
        some = {row: said for row, said in each if said != NO_FACTS}
        kept.update(some)
        dropped += [row for row, _ in each if row not in some]
        bits[part] = [orders_of(said) for _, said in each]
        yield
    return FactsReady(rows, kept, dropped, bits)
