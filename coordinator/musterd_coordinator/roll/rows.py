"""The module begins the rows of a roll's members, changes them by what is said, and ends them."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from musterd.limits import INTERVALS_UNTIL_DOWN
from musterd.model import Facts
from musterd_coordinator.judge.members import CODES, Code, Rows, Seconds
from musterd_coordinator.registry.base import Portion
from musterd_coordinator.roll.batch import MemberBatch
from musterd_coordinator.roll.ordered import AT_ONCE, FactsReady
from musterd_coordinator.roll.parts import RollParts
from musterd_coordinator.roll.verdicts import NO_FACTS, orders_of, overruled
from musterd_coordinator.roll.view import RollView


class RowKeeper:
    """A `RowKeeper` keeps in step what a roll's parts have of each row, and publishes nothing."""

    def __init__(self, parts: RollParts, view: RollView) -> None:
        self._parts = parts
        self._view = view
        self._detector, self._directory = parts.detector, parts.directory
        self._placement, self._lives, self._unsaved = parts.placement, parts.lives, parts.unsaved

    def add(
        self,
        members: MemberBatch,
        states: NDArray[np.uint8],
        reasons: Iterable[str],
        quiet: Seconds,
    ) -> Rows:
        """Add new ``members`` in these states, silent for ``quiet`` seconds; return their rows.

        All are n long.
        """
        places = self._placement.shards_of_all(members)
        rows = self._detector.add_all(states, places, quiet)
        self._directory.add(members, rows)
        self._placement.add(members, places)
        self._parts.reporter.add(rows, reasons)
        self._lives.add(rows)
        zones = [
            self._directory.zones.acquire((sample.group, sample.zone), holders) if holders else 0
            for sample, holders in zip(members.samples, members.counts(), strict=True)
        ]
        self._detector.members.zone[rows] = np.array(zones, np.int32)[members.kinds]
        self._detector.members.since[rows] = self._parts.clocks.wall()
        self._parts.arranger.touch(rows)
        return rows

    def restore(self, portion: Portion) -> None:
        """Take in members, states and facts that a registry kept."""
        kinds, samples = np.array(portion.kinds, np.int64), portion.samples
        down_time, now = self._detector.rules.service_down_time, self._parts.clocks.wall()
        states = np.array([CODES[sample.state] for sample in samples], np.uint8)[kinds]
        at = {since: since.timestamp() for since in set(portion.since)}
        since = np.fromiter(map(at.__getitem__, portion.since), np.float64, len(kinds))
        # Long past any mass silence: what fell before this coordinator began is no part of one.
        dead = np.isin(states, (Code.DOWN, Code.LEFT))
        intervals = np.array([sample.interval for sample in samples])[kinds]
        allowed = np.maximum(down_time, INTERVALS_UNTIL_DOWN * intervals)
        quiet = np.where(dead, np.maximum(3 * allowed, now - since), 0.0)
        members = MemberBatch(portion.names, kinds, [sample.member for sample in samples])
        reasons = [sample.reason for sample in samples]
        rows = self.add(members, states, map(reasons.__getitem__, portion.kinds), quiet)
        self._detector.members.since[rows] = since
        self._detector.know_intervals(rows, intervals)
        known = states != Code.UNKNOWN  # for longer than this coordinator has been there
        self._detector.members.first_heard[rows[known]] = -np.inf
        self._lives.saved.add(rows)
        ordered = np.array([sample.facts != NO_FACTS for sample in samples])[kinds]
        for place in np.flatnonzero(ordered).tolist():
            row = rows.item(place)
            self._keep_facts(row, samples[portion.kinds[place]].facts)
            self.set_zone(row)

    def remove(self, row: int) -> None:
        """Forget the member of ``row``."""
        self._parts.changes.flush()
        last = replace(self._view.change(row, self._view.version + 1), gone=True)
        self._parts.changes.remove(row, last)
        self._unsaved.remove(row)
        self._lives.saved.discard(row)
        seats = {
            index: slot
            for index, shard in enumerate(self._parts.shards)
            if (slot := shard.seats.slot_of(row)) is not None
        }
        self._parts.absent.add(self._directory.member(row), seats, self._parts.clocks.monotonic())
        for index in seats:
            self._parts.shards[index].seats.vacate_row(row)
        self._placement.remove(row)
        self._directory.zones.release(self._detector.members.zone.item(row))
        self._directory.remove(row)
        self._detector.members.remove(row)
        self._parts.arranger.touch(np.array([row]))
        for facts in (self._parts.facts, self._parts.ordered, self._parts.said):
            facts.pop(row, None)

    def set_facts(self, row: int, facts: Facts) -> None:
        """Keep what operators say of the member of ``row`` from now on."""
        self._parts.changes.flush()
        self._keep_facts(row, facts)
        self.set_zone(row)
        self._parts.changes.touch(row)

    def set_facts_of(self, given: FactsReady) -> Iterator[None]:
        """Keep what operators say of many members, of which they gave no other zone.

        It shows with the last step.
        """
        parts = self._parts
        for rows in _portions(list(given.kept)):
            parts.facts.update({row: given.kept[row] for row in rows})
            yield
        for rows in _portions(given.dropped):
            for row in rows:
                parts.facts.pop(row, None)
            yield
        parts.said.update(given.kept)
        for row in given.dropped:
            parts.said.pop(row, None)
        parts.detector.members.orders[given.rows] = given.bits
        if parts.ordered:  # by their store, which adds to that
            for row in parts.ordered.keys() & set(given.rows.tolist()):
                self._say(row)

    def set_zone(self, row: int) -> None:
        """Count the member of ``row`` in the zone that it has now."""
        member, zones = self._view.effective(row), self._directory.zones
        column = self._detector.members.zone
        before, now = column.item(row), zones.acquire((member.group, member.zone))
        column[row] = now
        zones.release(before)
        if now != before:
            self._parts.arranger.touch(np.array([row]))

    def make_room(self, more: int) -> Iterator[None]:
        """Let what is kept of each member grow before ``more`` come, in steps: all is copied."""
        members, before = self._detector.members, self._detector.members.room
        yield from members.make_room(more)
        if members.room > before:
            reserves = [self._directory.reserve, self._parts.reporter.reserve, self._lives.reserve]
            reserves += [self._unsaved.rows.reserve]
            reserves += [shard.seats.reserve_rows for shard in self._parts.shards]
            for reserve in reserves:
                reserve(members.room)
                yield
        yield from self._directory.make_room(more)

    def _keep_facts(self, row: int, facts: Facts) -> None:
        _keep(self._parts.facts, row, facts)
        self._say(row)

    def set_ordered(self, row: int, orders: Facts) -> None:
        """Keep what the store says that operators ordered of the member of ``row``."""
        if orders == self._parts.ordered.get(row, NO_FACTS):
            return
        self._parts.changes.flush()
        _keep(self._parts.ordered, row, orders)
        self._say(row)
        self._parts.changes.touch(row)

    def _say(self, row: int) -> None:
        """Put together what is said of the member of ``row``."""
        parts = self._parts
        said = overruled(parts.facts.get(row, NO_FACTS), parts.ordered.get(row, NO_FACTS))
        _keep(parts.said, row, said)
        self._detector.members.orders[row] = orders_of(said)


def _portions(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    return (rows[at : at + AT_ONCE] for at in range(0, len(rows), AT_ONCE))


def _keep(kept: dict[int, Facts], row: int, facts: Facts) -> None:
    if facts == NO_FACTS:
        kept.pop(row, None)
    else:
        kept[row] = facts
