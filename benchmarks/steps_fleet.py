"""The module has a coordinator of a played store, and members: see :mod:`benchmarks.steps`."""

import time
from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from benchmarks.sweep_detector import sent_by_the_clock
from musterd.model import Member, State
from musterd.settings.sources import Settings
from musterd.stores import open_store
from musterd_coordinator.judge.members import STATES
from musterd_coordinator.registry.base import open_registry
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.service.recorder import RegistryWriter
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Beats, Rejected, no_beats
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.wiring import careful_clock, make_office, make_roll

BIG = "all-in-one"
"""The group that half of the members are in."""

INTERVAL = 10
SWEEPS = 20
"""Sweeps of each shard within an interval, in which every member beats once."""

_STORE = "memcached://mc1:11211,mc2:11211?replicas=2"  # nobody connects to it


class StillFleet:
    """A `StillFleet` is members, and a coordinator that knows none yet and sweeps when told to."""

    def __init__(self, members: int, groups: int) -> None:
        self.names = [f"compute-{number:07d}.example.net" for number in range(members)]
        self.big = members if groups == 1 else max(1, members // 2)
        self._now = 5000.0
        self._members = members
        self._groups = groups
        self._seats = list(enumerate(map(self._member, range(members))))
        self._sequence = np.ones(members, np.uint64)
        self._sweeps = 0
        clocks = Clocks(lambda: self._now, time.time)
        settings = Settings(store=_STORE, interval=INTERVAL, service_down_time=60)
        store = open_store(_STORE, namespace="steps", timeout=1.0, beat_ttl=600.0)
        registry = open_registry("sqlite:///steps.db", namespace="steps", timeout=1, coordinator="")
        self._roll = make_roll(settings, store, clocks)
        clock = careful_clock(None, clocks)
        recorder = RegistryWriter(self._roll, registry, history=timedelta(days=1), clock=clock)
        self.desk: CoordinatorApi = make_office(settings, store, registry, self._roll, recorder, [])

    def seat(self, shard: int) -> Iterator[None]:
        """Let one sweep of ``shard`` meet all of them."""
        return self._steps(shard, Roster(seated=self._seats), no_beats())

    def sweep(self, shard: int, *, everybody: bool = False) -> Iterator[None]:
        """Make one sweep of ``shard``.

        Before a sweep of the first shard, the members that are due have beaten, or all.
        """
        if shard == 0:
            self._sweeps += 1
            due = slice(self._sweeps % SWEEPS, None, SWEEPS)
            self._sequence[slice(None) if everybody else due] += np.uint64(1)
        return self._steps(shard, Roster(), self._beats())

    def silence(self, shard: int) -> Iterator[None]:
        """Make one sweep of ``shard`` that brings no beat."""
        return self._steps(shard, Roster(), no_beats())

    @property
    def states(self) -> set[State]:
        """Return the states that members are in."""
        members = self._roll.detector.members
        return {STATES[code] for code in np.unique(members.state[members.used]) if code}

    def _member(self, number: int) -> Member:
        others = max(1, self._groups - 1)
        group = BIG if number < self.big else f"group-{number % others:05d}"
        return Member(group, self.names[number], "az1", "team", {})

    def _steps(self, shard: int, roster: Roster, beats: Beats) -> Iterator[None]:
        self._now += INTERVAL / SWEEPS / 2  # the other shard is swept in between
        sweep = BeatBatch(beats, Rejected())
        swept = SweepOutcome(self._now - 0.3, self._now, True, "", roster, sweep, 0.001, 0.3)
        return self._roll.steps(shard, swept)

    def _beats(self) -> Beats:
        n = self._members
        return Beats(
            slot=np.arange(n),
            member_id=np.arange(n, dtype=np.uint64),
            incarnation=np.full(n, 7, np.uint64),
            sequence=self._sequence.copy(),
            interval_ms=np.full(n, INTERVAL * 1000, np.uint32),
            status=np.zeros(n, np.uint8),
            sent_ms=sent_by_the_clock(self._sequence, INTERVAL),
            missed=np.zeros(n, np.uint16),
            push_timeout_ms=np.full(n, 5000, np.uint16),
            lag_ms=np.zeros(n, np.uint32),
        )
