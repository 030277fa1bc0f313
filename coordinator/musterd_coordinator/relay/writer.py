"""Two loops of a relay speak to the database: one writes beats, one seats newcomers.

Each has a connection of its own, on which one statement follows the other. So an announcement that
takes long delays no beat, and no two statements of a relay are at one row: a member has a seat, or
is waiting for one.
"""

from collections.abc import Iterator, Sequence

import anyio
import numpy as np
from numpy.typing import NDArray

from musterd.errors import ShardRefused, StoreError
from musterd.stores.table.items import Outcome
from musterd_coordinator.relay.batch import LOST, STORED, Batch, Good, Rows, records_in
from musterd_coordinator.relay.database import RelayDatabase, Slots
from musterd_coordinator.relay.database import Rows as BeatRows
from musterd_coordinator.relay.gauges import RelayGauges
from musterd_coordinator.relay.promptness import LatencyReport
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.relay.waiting import FirstBeat, Newcomer, PendingBeats
from musterd_coordinator.sweep.columns import RECORD
from musterd_coordinator.sweep.signed.macs import words_of
from musterd_coordinator.sweep.turns import in_steps

Identities = NDArray[np.uint64]
Records = NDArray[np.void]  # of RECORD

MOST_ROWS = 12_000  # in one statement that writes beats, or a few more that came together
MOST_SEATS = 2000  # looked up in one statement
MOST_NEWCOMERS = 256  # announced in one: others' newcomers wait as long
_REFUSALS = 8  # in a row, after which no more of those that wait are tried
_AT_A_TIME = 500  # replies written before the loop serves others


class BeatWriter:
    """A `BeatWriter` writes what waits, at most once a ``period``; at once when nothing did before.

    ``period`` is in seconds. No beat keeps others of its member out for more than ``freshest``
    seconds.
    """

    def __init__(
        self,
        reception: Inbox,
        database: RelayDatabase,
        period: float,
        freshest: float,
        gauges: RelayGauges,
        promptness: LatencyReport,
    ) -> None:
        self.turn = anyio.Lock()  # held while a batch is under way
        self._promptness = promptness
        self._reception = reception
        self._database = database
        self._period = period
        self._freshest = freshest
        self._gauges = gauges

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._reception.known.wait()
            began = anyio.current_time()
            async with self.turn:
                if waiting := self._reception.known.drain():
                    await self._write(waiting)
            await anyio.sleep_until(began + self._period)

    async def _write(self, waiting: Sequence[PendingBeats]) -> None:
        """Write these beats and tell their agents, first come first served.

        When one statement fails, no more are tried.
        """
        parts = list(portions(waiting, MOST_ROWS))
        for at, part in enumerate(parts):
            wanted = [one for one in part if one.is_wanted]
            batch = Batch(wanted, self._reception.seats.mark_of, await self._check(wanted))
            try:
                await self._store(batch)
            except StoreError as error:
                rest = [one for part in parts[at:] for one in part]
                refused = sum(one.count for one in rest)
                self._gauges.beats.failed(error, refused)
                self._promptness.refused(refused)
                await acknowledge_all(rest, refusal(error))
                return
            await self._acknowledge(part, batch)

    async def _check(self, waiting: Sequence[PendingBeats]) -> Good | None:
        """Return which of these beats were signed with their members' keys; None: any will do."""
        checks, seats = self._reception.checks, self._reception.seats
        if checks is None:
            return None
        words = words_of(records_in(waiting))
        places = seats.find_all(words[1])
        good, seated = places >= 0, places[places >= 0]
        steps = checks.check(np.ascontiguousarray(words[:, good]), seats.seals[:, seated])
        good[good] = await in_steps(steps)
        self._gauges.unsigned += int(np.count_nonzero(~good & (places >= 0)))
        return good

    async def _acknowledge(self, part: Sequence[PendingBeats], batch: Batch) -> None:
        """Tell the agents of a ``part`` what became of their beats, which ``batch`` knows."""
        for told, _ in enumerate(batch.acknowledge((Outcome.STORED, Outcome.NOT_STORED)), 1):
            if not told % _AT_A_TIME:
                await anyio.lowlevel.checkpoint()
        now = anyio.current_time()
        self._promptness.waited(now - part[0].came)
        if given_up := [one for one in part if not one.is_wanted]:
            self._promptness.given_up(self._overdue(given_up, now), now)

    def _overdue(self, given_up: Sequence[PendingBeats], now: float) -> dict[int, float]:
        beats = np.frombuffer(b"".join([one.records for one in given_up]), RECORD)
        return self._reception.seats.overdue(np.ascontiguousarray(beats["member_id"]), now)

    def _seated(self, batch: Batch) -> tuple[Rows, Slots]:
        """Return the rows to write, and the slots where; they are in the order of these."""
        seats = self._reception.seats
        places = seats.find_all(batch.identity[batch.newest])
        rows, slots = batch.newest[places >= 0], seats.slot[places[places >= 0]]
        order = np.argsort(slots, kind="stable")
        return rows[order], slots[order]

    async def _store(self, batch: Batch) -> None:
        rows, slots = self._seated(batch)
        if not len(rows):
            return
        began, identity = anyio.current_time(), batch.identity[rows]
        columns = BeatRows(slots, identity, batch.records[rows])
        written = await self._database.write(columns, self._freshest)
        now = anyio.current_time()
        batch.fate[rows] = np.where(written, STORED, LOST)
        lost = identity[~written].tolist()
        self._gauges.wrote(len(rows) - len(lost), len(lost), now - began)
        self._note_written(identity[written], batch.records[rows][written], now)
        if lost:
            refused = BeatRows(slots[~written], identity[~written], columns.record[~written])
            sit = await self._database.sit(refused)
            for one in identity[~written][~sit].tolist():
                self._reception.seats.remove(one)

    def _note_written(self, identity: Identities, records: Records, now: float) -> None:
        places = self._reception.seats.find_all(identity)
        seated = places >= 0
        intervals = records["interval_ms"][seated] / 1000
        self._reception.seats.write(places[seated], intervals, now)
        runs, sequences = records["incarnation"][seated], records["sequence"][seated]
        self._reception.seats.mark(places[seated], runs, sequences)
        if self._promptness.awaits_anybody:
            self._promptness.written(set(identity.tolist()))


class SlotAllocator:
    """A `SlotAllocator` finds or takes seats in the database for members with a first beat that waits."""

    def __init__(self, reception: Inbox, database: RelayDatabase, gauges: RelayGauges) -> None:
        self._reception = reception
        self._database = database
        self._gauges = gauges
        self._most = MOST_NEWCOMERS

    async def run(self) -> None:
        """Seat newcomers until cancelled."""
        while True:
            await self._reception.new.wait()
            if beats := self._reception.new.pop(MOST_SEATS):
                await self._seat(beats)

    async def _seat(self, beats: Sequence[FirstBeat]) -> None:
        try:
            found = await self._database.find_seats(_newcomers(beats))
        except StoreError as error:
            await self._refuse(beats, error)
            return
        by_identity = {beat.identity: beat for beat in beats}
        self._admit(by_identity, {who: slot for who, slot in found.items() if slot is not None})
        known = [by_identity.pop(who) for who in found if who in by_identity]
        await self._announce([*known, *by_identity.values()])

    async def _announce(self, beats: Sequence[FirstBeat]) -> None:
        """Give seats, many at a time; fewer when the database refuses.

        It may be one of them that it refuses, which must not keep out the others for ever.
        """
        refusals = 0
        while beats:
            some, beats = beats[: self._most], beats[self._most :]
            try:
                slots = await self._database.announce(_newcomers(some))
            except StoreError as error:
                refusals += 1
                self._most = max(1, self._most // 8)
                hopeless = not isinstance(error, ShardRefused) or refusals >= _REFUSALS
                await self._refuse([*some, *beats] if hopeless else some, error)
                if hopeless:
                    return
            else:
                self._most = min(2 * self._most, MOST_NEWCOMERS)
                self._admit({beat.identity: beat for beat in some}, slots)

    def _admit(self, beats: dict[int, FirstBeat], slots: dict[int, int]) -> None:
        for identity, slot in slots.items():
            self._reception.seat(beats.pop(identity), slot)
        if slots:
            self._gauges.newcomers.worked()

    async def _refuse(self, beats: Sequence[FirstBeat], error: StoreError) -> None:
        path = self._gauges.newcomers
        say = path.refuses if isinstance(error, ShardRefused) else path.failed
        say(error, len(beats))
        await acknowledge_all(beats, refusal(error))


def portions(waiting: Sequence[PendingBeats], most: int) -> Iterator[list[PendingBeats]]:
    """Yield all in turn, as soon as they are ``most`` beats or more."""
    some: list[PendingBeats] = []
    count = 0
    for one in waiting:
        some.append(one)
        count += one.count
        if count >= most:
            yield some
            some, count = [], 0
    if some:
        yield some


async def acknowledge_all(beats: Sequence[PendingBeats], outcome: bytes) -> None:
    """Tell the agents of all these beats what became of them."""
    for at, beat in enumerate(beats, 1):
        beat.acknowledge(outcome)
        if not at % _AT_A_TIME:
            await anyio.lowlevel.checkpoint()


def refusal(error: StoreError) -> bytes:
    """Return what an agent is told of a database that did not take its beat."""
    text = "".join(c if c.isascii() and c.isprintable() else "?" for c in str(error))
    return b"SERVER_ERROR " + text.encode()


def _newcomers(beats: Sequence[FirstBeat]) -> list[Newcomer]:
    return [beat.newcomer for beat in beats]
