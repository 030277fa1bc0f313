"""Which members of a roll its registry should save, and as what rows."""

from functools import lru_cache

from musterd_coordinator.judge.members import STATES, Code, Rows
from musterd_coordinator.registry.base import Row
from musterd_coordinator.registry.rows import as_json
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.verdicts import NO_FACTS

_NO_FACTS = as_json(NO_FACTS)
_instant = lru_cache(1024)(wall_instant)  # of a sweep's changes all are of one instant


class PendingRows:
    """Takes rows out of what is unsaved of ``roll``."""

    def __init__(self, roll: Roll) -> None:
        self._roll = roll

    def due(self, patience: float) -> Rows:
        """Rows to save, in ascending order; they stay unsaved.

        Newcomers are left out for ``patience`` seconds: with their first verdict they are written
        once and not twice.
        """
        members = self._roll.detector.members
        waiting = members.state[members.used] == Code.UNKNOWN
        waiting &= members.since[members.used] > self._roll.clocks.wall() - patience
        return self._roll.unsaved.rows.but(waiting)

    def take(self, rows: Rows) -> tuple[Rows, list[Row]]:
        """Take those of ``rows`` that are unsaved still: which they are, and what to write."""
        rows, members = self._roll.unsaved.rows.take(rows), self._roll.detector.members
        columns = (members.state[rows], members.since[rows], members.interval[rows])
        each = zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
        return rows, [self._saved(*one) for one in each]

    def give_back(self, rows: Rows) -> None:
        """These could not be saved; who was forgotten meanwhile is left out."""
        self._roll.unsaved.rows.add(self.still(rows))

    def still(self, rows: Rows) -> Rows:
        """Those of ``rows`` in which somebody sits."""
        still: Rows = rows[self._roll.detector.members.state[rows] != Code.FREE]
        return still

    def _saved(self, row: int, code: int, since: float, interval: float) -> Row:
        roll, at = self._roll, _instant(since)
        member, facts = roll.directory.member(row), roll.facts.get(row)
        return (
            *(member.group, member.name, member.zone, member.owner),
            "{}" if not member.metadata else as_json(member.metadata),
            _NO_FACTS if facts is None else as_json(facts),
            *(STATES[code].value, roll.reason(row), at, at, interval),
        )
