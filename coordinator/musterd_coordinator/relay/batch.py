"""A batch has its beats as columns: which are written, and what each agent is told. Pure."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.relay.waiting import NEXT, PendingBeats
from musterd_coordinator.sweep.columns import RECORD

Rows = NDArray[np.int64]
Good = NDArray[np.bool_]
STORED, LOST = range(2)

Mark = tuple[int, int]
"""The run and the sequence of a beat."""


def records_in(waiting: Sequence[PendingBeats]) -> NDArray[np.void]:
    """Return all records of ``waiting``, of RECORD, in the order they came."""
    return np.frombuffer(b"".join([one.records for one in waiting]), RECORD)


class Batch:
    """A `Batch` is all beats of ``waiting``, n rows in the order they came.

    ``identity`` and ``records`` are theirs. ``newest`` are the rows to write, one a member; of
    those, ``fate`` is to be set to STORED where they were written; the others are LOST, of no known
    member. ``mark_of`` gives what was last written of a member, by member_id. Rows that are not
    ``good`` (n), where that is known, are LOST whatever comes of others.
    """

    def __init__(
        self,
        waiting: Sequence[PendingBeats],
        mark_of: Callable[[int], Mark],
        good: Good | None = None,
    ) -> None:
        self.records = records_in(waiting)
        self.identity: NDArray[np.uint64] = np.ascontiguousarray(self.records["member_id"])
        self.fate = np.full(len(self.records), LOST, np.uint8)
        self._waiting = waiting
        self._good = np.ones(len(self.records), np.bool_) if good is None else good
        self._winners = self._find_winners(mark_of)
        own = self._winners == np.arange(len(self.records))
        self.newest: Rows = np.flatnonzero(own & self._good)

    def acknowledge(self, words: Sequence[bytes]) -> Iterator[None]:
        """Tell all agents, one at each step; ``words`` are what each fate is called."""
        fate = self.fate[self._winners]
        alike = words[fate[0]] if len(fate) and (fate == fate[0]).all() else None
        begin = 0
        for one in self._waiting:
            if alike is not None:
                one.acknowledge(alike)
            else:
                end = begin + one.count
                one.acknowledge_each([words[of_one] for of_one in fate[begin:end].tolist()])
                begin = end
            yield

    def _find_winners(self, mark_of: Callable[[int], Mark]) -> Rows:
        """Return for each row that of its member's newest beat."""
        winners = np.arange(len(self.records))
        order = np.argsort(self.identity, kind="stable")
        ids = self.identity[order]
        twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
        edges = np.searchsorted(ids, twice, "left"), np.searchsorted(ids, twice, "right")
        for identity, begin, end in zip(twice.tolist(), *edges, strict=True):
            rows, mark = order[begin:end], mark_of(identity)
            rows = rows[self._good[rows]]
            if not len(rows):
                continue
            held, *rest = rows.tolist()
            for row in rest:
                if _outdoes(self._mark(row), self._mark(held), mark):
                    held = row
            winners[rows] = held
        return winners

    def _mark(self, row: int) -> Mark:
        return int(self.records["incarnation"][row]), int(self.records["sequence"][row])


def _outdoes(one: Mark, other: Mark, mark: Mark) -> bool:
    """Say whether ``one``, which came after ``other``, is to be written in its place.

    It is not if the same run of the agent counted it before: that one took a longer way. A number
    that is too far ahead of ``mark`` to follow it outdoes none that is nearer: it is not the agent's.
    """
    if one[0] != other[0]:
        return True
    if one[0] != mark[0]:
        return one[1] >= other[1]
    return _rank(one[1] - mark[1]) >= _rank(other[1] - mark[1])


def _rank(ahead: int) -> int:
    if 0 < ahead <= NEXT:
        return ahead
    return -ahead if ahead > 0 else ahead - 2**64
