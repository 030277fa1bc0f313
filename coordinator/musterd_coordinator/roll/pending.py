"""The module has what a roll's registry is still to be told, and what it was told.

It is for what writes to the registry.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from musterd.model import Transition
from musterd_coordinator.judge.members import STATES, Code, Rows
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.rows import as_json
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.verdicts import NO_FACTS

_NO_FACTS = as_json(NO_FACTS)
_instant = lru_cache(1024)(wall_instant)  # all changes of a sweep are of one instant


class KnownLives(NamedTuple):
    """A `KnownLives` says which forgettings were known at one moment.

    It has their numbers, and how often one became known.
    """

    epoch: int
    forgettings: Sequence[int]


class PendingRows:
    """A `PendingRows` has members and lines of history that are to be saved.

    What saves them pops them, then acknowledges them or puts them back. What is saved must say of
    which forgettings it knows, and :meth:`known_lives` must be asked before any member is popped: see
    :mod:`musterd_coordinator.roll.lives`.
    """

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts
        self._unsaved, self._lives = parts.unsaved, parts.lives

    def __len__(self) -> int:
        """Return how many members and lines there are."""
        return len(self._unsaved)

    def __bool__(self) -> bool:
        return bool(self._unsaved)

    @property
    def members(self) -> int:
        """Return how many members are to be saved."""
        return len(self._unsaved.rows)

    @property
    def has_lines(self) -> bool:
        """Say whether there is anything for the history."""
        return self._unsaved.has_lines

    # -- members -------------------------------------------------------------------------

    def known_lives(self) -> KnownLives:
        """Return which forgettings are known now."""
        return KnownLives(self._lives.epoch, self._lives.numbers())

    def due(self, patience: float) -> Rows:
        """Return the rows to save, in ascending order; they stay unsaved.

        Newcomers are left out for ``patience`` seconds: with their first verdict they are written
        once and not twice.
        """
        members = self._parts.detector.members
        waiting = members.state[members.used] == Code.UNKNOWN
        waiting &= members.since[members.used] > self._parts.clocks.wall() - patience
        return self._unsaved.rows.without(waiting)

    def pop(self, rows: Rows) -> tuple[Rows, list[Row]]:
        """Remove those of ``rows`` still unsaved; return which they are, and what to write."""
        rows, members = self._unsaved.rows.pop(rows), self._parts.detector.members
        columns = (members.state[rows], members.since[rows], members.interval[rows])
        each = zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
        return rows, [self._saved(*one) for one in each]

    def put_back(self, rows: Rows) -> None:
        """Put back ``rows`` that could not be saved; members forgotten meanwhile are left out."""
        self._unsaved.rows.add(self._still(rows))

    def acknowledge(self, rows: Rows, known: KnownLives) -> None:
        """Note that the registry has ``rows``, by what was ``known``.

        Members that began since then are to be saved again.
        """
        rows = self._still(rows)
        self._lives.saved.add(rows)
        self._unsaved.rows.add(self._lives.begun_after(rows, known.epoch))

    def add(self, rows: Rows) -> None:
        """Add the members of ``rows``, to be saved whatever the registry was told of them."""
        self._unsaved.rows.add(rows)

    def saved_among(self, begin: int, end: int) -> Rows:
        """Return rows of members that the registry knows, or did.

        They are those from ``begin`` on and below ``end``.
        """
        return self._still(self._lives.saved.among(begin, end))

    def _still(self, rows: Rows) -> Rows:
        """Return those of ``rows`` in which a member sits."""
        still: Rows = rows[self._parts.detector.members.state[rows] != Code.FREE]
        return still

    def _saved(self, row: int, code: int, since: float, interval: float) -> Row:
        parts, at = self._parts, _instant(since)
        member, facts = parts.directory.member(row), parts.facts.get(row)
        return (
            *(member.group, member.name, member.zone, member.owner),
            "{}" if not member.metadata else as_json(member.metadata),
            _NO_FACTS if facts is None else as_json(facts),
            *(STATES[code].value, parts.reporter.reason(row), at, at, interval),
        )

    # -- lines of history ----------------------------------------------------------------

    def lines_of(self, row: int | None, group: str, name: str) -> list[Transition]:
        """Return the lines of a member, which sits in ``row`` if it was not forgotten."""
        return self._unsaved.lines_of(row, group, name)

    def pop_lines(self, most: int) -> list[Row]:
        """Remove and return up to ``most`` lines as the registry's rows, oldest first."""
        return self._unsaved.pop_lines(most)

    def drop_lines(self, most: int) -> int:
        """Drop the oldest lines beyond ``most``, and return how many those were."""
        return self._unsaved.drop_lines(most)
