"""The beats of one batch as columns: which of them are written, and what each agent is told; pure."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from musterd.columns import RECORD
from musterd_coordinator.relay.waiting import Waiting, outdoes

Rows = NDArray[np.int64]
STORED, LOST = range(2)


class Batch:
    """All beats of ``waiting``, n rows in the order they came.

    ``identity`` and ``records`` are theirs. ``newest`` are the rows to write, one a member; of
    those, ``fate`` is to be set to STORED where they were; the others are LOST, of no known member.
    """

    def __init__(self, waiting: Sequence[Waiting]) -> None:
        self.records = np.frombuffer(b"".join([one.records for one in waiting]), RECORD)
        self.identity: NDArray[np.uint64] = np.ascontiguousarray(self.records["member_id"])
        self.fate = np.full(len(self.records), LOST, np.uint8)
        self._waiting = waiting
        self._winners = self._find_winners()
        self.newest: Rows = np.flatnonzero(self._winners == np.arange(len(self.records)))

    def settle(self, words: Sequence[bytes]) -> Iterator[None]:
        """Tell everybody, one at each step; ``words`` are what each fate is called."""
        fate = self.fate[self._winners]
        alike = words[fate[0]] if len(fate) and (fate == fate[0]).all() else None
        begin = 0
        for one in self._waiting:
            if alike is not None:
                one.settle(alike)
            else:
                end = begin + one.count
                one.settle_each([words[of_one] for of_one in fate[begin:end].tolist()])
                begin = end
            yield

    def _find_winners(self) -> Rows:
        """For each row that of its member's newest beat."""
        winners = np.arange(len(self.records))
        order = np.argsort(self.identity, kind="stable")
        ids = self.identity[order]
        twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
        edges = np.searchsorted(ids, twice, "left"), np.searchsorted(ids, twice, "right")
        for begin, end in zip(*edges, strict=True):
            rows = order[begin:end]
            held, *rest = rows.tolist()
            for row in rest:
                if outdoes(self.records[row].tobytes(), self.records[held].tobytes()):
                    held = row
            winners[rows] = held
        return winners
