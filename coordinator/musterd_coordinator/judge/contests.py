"""The module knows whose records somebody overwrites that has not their keys, and holds them. Pure.

A record that a member did not sign, in its slot, is no evidence of its silence: its own may have stood
there before. So while such records come, a member has :data:`PATIENCE` times as long as otherwise to
be heard by a beat of its own. Then it goes down: nobody can be kept alive like that.
"""

import numpy as np

from musterd_coordinator.judge.members import NO_SHARD, Mask, Members, Rows, Seconds

PATIENCE = 3.0
"""Down times that a member may be silent whose records are overwritten."""

_FIRST = 1e-9  # stands for no listening time at all, for 0 means never


class Contests:
    """These are the members whose records are overwritten.

    ``times`` are the listening times of all shards, and one for NO_SHARD.
    """

    def __init__(self, members: Members, times: Seconds, shards: int) -> None:
        self._members = members
        self._times = times
        self.any = False  # was there ever one?
        self._since: list[float | None] = [None] * shards
        self._noted = [0.0] * shards  # the listening times of the last ones

    def add_shard(self) -> None:
        """Begin with one shard more."""
        self._since.append(None)
        self._noted.append(0.0)

    def add(self, shard: int, rows: Rows, now: float) -> None:
        """Add ``rows`` for which new records stand in ``shard`` that are not theirs."""
        if not len(rows):
            return
        members, self.any = self._members, True
        time = self._times.item(shard)
        if time - self._noted[shard] >= members.down_after[rows].max():
            self._since[shard] = None
        self._since[shard] = self._since[shard] or now
        self._noted[shard] = time
        for place in range(members.replicas):
            here = rows[members.shard[place, rows] == shard]
            members.contested[place, here] = max(time, _FIRST)

    def since(self, shard: int) -> float | None:
        """Return since when there was always some member such; monotonic seconds."""
        return self._since[shard]

    def rows(self, shard: int) -> Rows:
        """Return whose records in ``shard`` are overwritten."""
        if not self.any:
            return np.empty(0, np.int64)
        rows = np.flatnonzero(self._members.contested[:, self._members.used].any(axis=0))
        rows = rows[self._members.on(shard, rows)]
        return rows[self.are_contested(rows)]

    def are_contested(self, rows: Rows) -> Mask:
        """Say of which of ``rows`` (n) a record that is not theirs came within their down time."""
        members = self._members
        if not self.any:
            return np.zeros(len(rows), np.bool_)
        shard, at = members.shard[:, rows], members.contested[:, rows]
        lately = (at > 0) & (self._times[shard] - at < members.down_after[rows])
        contested: Mask = np.logical_or.reduce(lately & (shard != NO_SHARD))
        return contested

    def are_held(self, rows: Rows, silence: Seconds) -> Mask:
        """Say which of ``rows`` (n), silent for ``silence`` (n), are not judged yet for that."""
        held: Mask = self.are_contested(rows)
        return held & (silence < PATIENCE * self._members.down_after[rows])
