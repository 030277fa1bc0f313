"""The module sends the due beats of one worker's members on one shard, over a few connections."""

import random
from collections import deque
from contextlib import suppress
from itertools import pairwise
from time import monotonic, time

import anyio
import numpy as np
from numpy.typing import NDArray

from benchmarks.bulk import milliseconds
from benchmarks.load.fleet import Fleet, member
from benchmarks.load.lane import Lane
from benchmarks.load.port import Port
from benchmarks.load.replies import Batch
from benchmarks.load.schedule import Due, Rows, due_between
from benchmarks.load.script import Script
from benchmarks.load.tally import Count
from musterd.errors import StoreError

LATE_SHARE = 0.1
"""A beat that leaves later than this share of its interval was made late by the generator."""

PAUSE = 0.2  # seconds between two looks at what has to be mended
AT_ONCE = 16

U16_MAX = 2**16 - 1

_STOPPED, _BEATING, _ANNOUNCING = range(3)


class Flow:
    """A `Flow` sends the beats of the members in ``fleet`` to the shard of ``port``.

    The members were announced before. ``together`` of them with beats due one after the other share
    a connection with others that are due at other times.
    """

    def __init__(
        self,
        fleet: Fleet,
        port: Port,
        script: Script,
        lanes: int,
        count: Count,
        *,
        together: int = 1,
    ) -> None:
        self._interval = 1.0
        self._fleet = fleet
        self._port = port
        self._script = script
        self._count = count
        self._lost: deque[int] = deque()
        self._lanes = [Lane(script, count, self._lose) for _ in range(lanes)]
        # Members are in the order in which they are due.
        self._lane = np.arange(len(fleet.number)) // together % lanes
        self._sequence = np.ones(len(fleet.number), np.uint64)
        self._mode = np.full(len(fleet.number), _BEATING, np.int8)

    async def connect(self) -> None:
        """Open all connections. Raises StoreError."""
        for at in range(0, len(self._lanes), AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for lane in self._lanes[at : at + AT_ONCE]:
                    tasks.start_soon(self._port.connect, lane)

    def take_interval(self, interval: float) -> None:
        """Beat at this interval, and with the push timeout of the count, from now on."""
        self._interval = interval
        record = self._script.commands["record"]
        record["interval_ms"] = milliseconds(interval)
        record["push_timeout_ms"] = min(U16_MAX, round(1000 * self._count.push_timeout))

    def stop_members(self, numbers: NDArray[np.int64]) -> None:
        """Let those of ``numbers`` that are here never beat again."""
        self._mode[np.isin(self._fleet.number, numbers)] = _STOPPED

    def tick(self, since: float, now: float, *, look: bool) -> None:
        """Write all beats that are due after ``since`` and up to ``now``."""
        due = due_between(self._fleet.fraction, since, now, self._interval)
        rows, late = self._beating(due)
        if len(rows):
            self._count.tally.late += int((late > LATE_SHARE * self._interval).sum())
            self._write(rows, late, look=look)

    async def mend(self) -> None:
        """Connect again what broke, and announce again what the server lost, until cancelled."""
        while True:
            await anyio.sleep(random.uniform(0, 2 * PAUSE))  # many workers never in step
            now = monotonic()
            for lane in self._lanes:
                lane.keep_time(now)
            await self._reconnect()
            async with anyio.create_task_group() as tasks:
                for _ in range(min(AT_ONCE, len(self._lost))):
                    tasks.start_soon(self._announce_lost)

    def close(self) -> None:
        """Drop all connections at once."""
        for lane in self._lanes:
            lane.close()

    def _beating(self, due: Due) -> tuple[Rows, NDArray[np.float64]]:
        """Return the rows that do beat, and how late they are; count the others."""
        mode = self._mode[due.rows]
        beats = mode == _BEATING
        waiting = int((mode == _ANNOUNCING).sum())
        self._count.tally.due += int(beats.sum()) + waiting + due.skipped
        self._count.tally.skipped += waiting + due.skipped
        return (due.rows, due.late) if beats.all() else (due.rows[beats], due.late[beats])

    def _write(self, rows: Rows, late: NDArray[np.float64], *, look: bool) -> None:
        lanes = self._lane[rows]
        order = np.argsort(lanes, kind="stable")
        rows, lanes = rows[order], lanes[order]
        beats, looked = self._beats(rows, late[order]), self._script.look(rows) if look else None
        edges = [0, *(1 + np.flatnonzero(np.diff(lanes))).tolist(), len(rows)]
        through, now = self._script.through, monotonic()
        for begin, end in pairwise(edges):
            part = slice(begin, end)
            batch = Batch(now, rows[part], through * (end - begin), len(through))
            commands, looks = beats[part].tobytes(), None
            if looked is not None:
                answers = looked.answers[part]
                looks = Batch(now, rows[part], answers.tobytes(), answers.shape[1], batch)
                commands += looked.commands[part].tobytes()
            self._lanes[lanes[begin]].send(commands, batch, looks)

    def _beats(self, rows: Rows, late: NDArray[np.float64]) -> NDArray[np.void]:
        commands = self._script.commands[rows]
        self._sequence[rows] += np.uint64(1)
        record = commands["record"]
        record["sequence"] = self._sequence[rows]
        record["sent_ms"] = round(time() * 1000)
        record["lag_ms"] = np.maximum(late, 0) * 1000
        return commands

    def _lose(self, row: int) -> None:
        if self._mode[row] == _BEATING:
            self._mode[row] = _ANNOUNCING
            self._lost.append(row)

    async def _reconnect(self) -> None:
        for lane in self._lanes:
            if not lane.is_open:
                self._count.tally.reconnects += 1
                with suppress(StoreError):
                    await self._port.connect(lane)

    async def _announce_lost(self) -> None:
        while self._lost:
            row = self._lost.popleft()
            if self._mode[row] != _ANNOUNCING:
                continue
            try:
                await self._announce(row)
            except StoreError as error:
                self._lost.append(row)
                self._count.failed(f"announcement: {error}", 0)
                return

    async def _announce(self, row: int) -> None:
        record = self._beats(np.array([row]), np.zeros(1))["record"].tobytes()
        slot = await self._port.announce(member(int(self._fleet.number[row])), record)
        self._script.move(row, slot)
        self._count.tally.announced += 1
        if self._mode[row] == _ANNOUNCING:
            self._mode[row] = _BEATING
