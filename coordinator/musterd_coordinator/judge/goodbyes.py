"""Goodbyes of many at once are as suspect as a silence of many at once, and held like it. Pure.

An agent that leaves, or has a check that fails, says so in a beat, and is believed at once. When
much of a zone says so within one service_down_time, somebody may be speaking for its agents, or one
broken check for all: they are suspect for ``storm_hold`` of listening, and what they still say then
is believed. A beat that says that all is well ends it at once: a goodbye after that is another,
with a hold of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from musterd.beat import Status
from musterd_coordinator.judge.members import NO_SHARD, Code, Mask, Members, Rows, Seconds

GOODBYES: Mask = np.isin(np.arange(256), (Status.LEAVING, Status.CHECK_FAILING))
"""By status: whether it asks for an end."""


@dataclass(frozen=True, slots=True)
class _Said:
    """Members in ``rows`` (n) said goodbye at listening times ``at`` (replicas, n) of their shards."""

    rows: Rows
    at: Seconds
    held: bool

    def where(self, kept: Mask) -> "_Said":
        """Return those of them (n) that are ``kept``."""
        return _Said(self.rows[kept], self.at[:, kept], self.held)


class Goodbyes:
    """`Goodbyes` knows which members said goodbye of late, and which goodbyes are held."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._said: list[_Said] = []

    def add(self, rows: Rows, times: Seconds, *, held: bool) -> None:
        """Add the goodbyes of members in ``rows``, said now.

        ``times`` are the listening times of all shards.
        """
        if len(rows):
            self._said.append(_Said(rows, times[self._members.shard[:, rows]], held))

    def retract(self, rows: Rows) -> None:
        """Hold nothing that members in ``rows`` said before: they say that all is well.

        That they said it of late still counts for others: somebody who speaks for a zone may be
        contradicted by its agents in between.
        """
        if not len(rows):
            return
        said = list[_Said]()
        for each in self._said:
            back = np.isin(each.rows, rows)
            parts = each.where(~back), replace(each.where(back), held=False)
            said += [part for part in parts if len(part.rows)]
        self._said = said

    def recent(self, times: Seconds, within: float) -> Rows:
        """Return rows with goodbyes that are held, or were said within so many seconds of listening."""
        some = [said.rows[said.held | (self._ago(said, times) < within)] for said in self._said]
        rows: Rows = np.unique(np.concatenate([np.empty(0, np.int64), *some]))
        still: Rows = rows[self._members.state[rows] != Code.FREE]
        return still

    def are_held(self, rows: Rows) -> Mask:
        """Say which of ``rows`` are held already."""
        held = [said.rows for said in self._said if said.held]
        if not held:
            return np.zeros(len(rows), np.bool_)
        are_held: Mask = np.isin(rows, np.concatenate(held))
        return are_held

    def expire(self, times: Seconds, hold: float, within: float) -> Rows:
        """Return rows with goodbyes that were held for ``hold`` seconds of listening, and are no longer.

        What is over, or was ``within`` seconds ago and not held, is forgotten.
        """
        if not self._said:
            return np.empty(0, np.int64)
        over, kept = [np.empty(0, np.int64)], list[_Said]()
        for said in self._said:
            ended = self._ago(said, times) >= (hold if said.held else within)
            if said.held:
                over.append(said.rows[ended])
            if not ended.all():
                kept.append(said.where(~ended))
        self._said = kept
        rows = self._saying(np.concatenate(over))
        return rows[self._is_suspect(rows)]

    def pending(self, times: Seconds, hold: float) -> Iterator[tuple[Rows, Seconds]]:
        """Yield rows with goodbyes that are held, and for how many seconds of listening more."""
        for said in self._said:
            if said.held:
                still = self._is_saying(said.rows) & self._is_suspect(said.rows)
                yield said.rows[still], hold - self._ago(said, times)[still]

    def _ago(self, said: _Said, times: Seconds) -> Seconds:
        """Return the seconds of listening since, the longest over a member's shards as they were then."""
        shards = self._members.shard[:, said.rows]
        ago = np.where(shards == NO_SHARD, 0.0, times[shards] - said.at)
        longest: Seconds = ago.max(axis=0)
        return longest

    def _saying(self, rows: Rows) -> Rows:
        saying: Rows = np.unique(rows[self._is_saying(rows)])
        return saying

    def _is_saying(self, rows: Rows) -> Mask:
        """Say which of ``rows`` say it still; one may be another member's by now, which does not say so."""
        says: Mask = GOODBYES[self._members.status[rows]]
        still: Mask = says & (self._members.state[rows] != Code.FREE)
        return still

    def _is_suspect(self, rows: Rows) -> Mask:
        suspect: Mask = self._members.state[rows] == Code.SUSPECT
        return suspect
