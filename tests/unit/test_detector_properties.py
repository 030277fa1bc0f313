"""Whatever the store, the coordinator and the agents go through: promises 1 and 2.

Time runs in ticks of one sweep period. In each tick the path to the store is open or not for
everybody; agents whose beat falls into it get it through or not, and then the coordinator sweeps,
or is paused, or its sweep breaks off half-way.
"""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from musterd.beat import Status
from musterd_coordinator.judge.listening import LONGEST_STEP, Step
from musterd_coordinator.judge.members import CODES, STATES, Code
from musterd_coordinator.judge.sweep import News
from musterd_coordinator.judge.transitions import StateChanges
from tests.examples import examples
from tests.unit.fleet import Fleet

PERIOD = 0.5
TICKS_PER_BEAT = 3
INTERVAL = TICKS_PER_BEAT * PERIOD
DOWN_TIME = 4.0  # little more than the two and a half intervals that a configuration must have
ALLOWANCE = 2 * INTERVAL + 0.8 * INTERVAL
MEMBERS = 12

members = st.integers(0, MEMBERS - 1)


@dataclass
class Host:
    """A host as it really is, and its record in the store."""

    row: int
    phase: int
    alive: bool = True
    incarnation: int = 100
    sequence: int = 0
    stored: tuple[int, int] | None = None
    read: tuple[int, int] | None = None
    lost_last: bool = False
    silence: float = 0.0  # what it must be counted as since its death, at least


class Life(RuleBasedStateMachine):
    """Fleets under every schedule that Hypothesis thinks of."""

    @initialize(storm_min=st.sampled_from([0, 5]), replicas=st.sampled_from([1, 2]))
    def begin(self, storm_min: int, replicas: int) -> None:
        self.fleet = Fleet(
            replicas, replicas, period=PERIOD, storm_min=storm_min, interval=INTERVAL
        )
        rows = self.fleet.add(MEMBERS, shards=range(replicas))
        self.hosts = [Host(row, phase=row % TICKS_PER_BEAT) for row in rows]
        self.shards = replicas
        self.tick = 0
        self.listened_since_gap = 0.0
        self.replayed = dict.fromkeys(rows, Code.UNKNOWN)

    @rule(count=st.integers(1, 12))
    def open_path(self, count: int) -> None:
        for _ in range(count):
            self._live(path=True)
            self._sweep(proven=True)

    @rule(count=st.integers(1, 12))
    def closed_path(self, count: int) -> None:
        for _ in range(count):
            self._live(path=False)
            self._sweep(proven=False)

    @rule(
        open_for=st.integers(1, 4),
        closed_for=st.integers(1, 4),
        times=st.integers(2, 12),
        paused=st.booleans(),
    )
    def flapping_path(self, open_for: int, closed_for: int, times: int, paused: bool) -> None:
        """Open and closed by turns, with the coordinator asleep when it is closed, or awake."""
        for _ in range(times):
            self.open_path(open_for)
            if paused:
                self.paused_coordinator(closed_for, path=False)
            else:
                self.closed_path(closed_for)

    @rule(losers=st.sets(members) | st.just(set(range(MEMBERS))))
    def lost_beats(self, losers: set[int]) -> None:
        """Single pushes that fail on the way, never two of one agent in a row."""
        self._live(path=True, losers=losers)
        self._sweep(proven=True)

    @rule(count=st.integers(1, 12), path=st.booleans())
    def paused_coordinator(self, count: int, path: bool) -> None:
        for _ in range(count):
            self._live(path)

    @rule(seen=st.sets(members))
    def broken_sweep(self, seen: set[int]) -> None:
        """The path is open, and the coordinator reads only a part of it."""
        self._live(path=True)
        self._sweep(proven=False, seen=seen)

    @rule(late=st.floats(0, 0.2))
    def late_sweep(self, late: float) -> None:
        self._live(path=True)
        self.fleet.now += late
        self._sweep(proven=True)

    @rule(who=members)
    def die(self, who: int) -> None:
        host = self.hosts[who]
        if host.alive:
            host.alive = False
            # What is left of the allowance after the last gap is its due, if it has not beaten.
            host.silence = min(0.0, DOWN_TIME - ALLOWANCE + self.listened_since_gap)

    @rule(who=members)
    def start_anew(self, who: int) -> None:
        host = self.hosts[who]
        host.alive, host.incarnation, host.sequence = True, host.incarnation + 1, 0
        host.phase = (self.tick + 1) % TICKS_PER_BEAT  # the first beat is at once

    @invariant()
    def nobody_alive_is_accused(self) -> None:
        for host in getattr(self, "hosts", ()):
            if host.alive and self._known_alive(host):
                assert self.fleet.state(host.row) in (Code.UP, Code.SUSPECT), host
                if self.fleet.detector.rules.storm_min == 0:
                    assert self.fleet.state(host.row) is Code.UP, host

    @invariant()
    def everyone_dead_is_found(self) -> None:
        for host in getattr(self, "hosts", ()):
            hold = 8.0 if self.fleet.detector.rules.storm_min else 0.0
            if not host.alive and host.silence > DOWN_TIME + hold + PERIOD:
                assert self.fleet.state(host.row) is Code.DOWN, host

    @invariant()
    def changes_replay_to_the_table(self) -> None:
        for host in getattr(self, "hosts", ()):
            assert STATES[self.replayed[host.row]] == STATES[self.fleet.state(host.row)]

    def _known_alive(self, host: Host) -> bool:
        """Its present run was seen beating: from then on it must never be accused."""
        return host.read is not None and host.read[0] == host.incarnation

    def _live(self, path: bool, losers: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """One tick of the hosts' lives."""
        self.tick += 1
        self.fleet.now += PERIOD
        for number, host in enumerate(self.hosts):
            if not host.alive or self.tick % TICKS_PER_BEAT != host.phase:
                continue
            host.sequence += 1
            host.lost_last = number in losers and not host.lost_last
            if path and not host.lost_last:
                host.stored = (host.incarnation, host.sequence)

    def _sweep(self, *, proven: bool, seen: set[int] | None = None) -> None:
        if seen is None:
            seen = set(range(MEMBERS)) if proven else set()
        news = self._read(seen)
        for shard, clock in enumerate(self.fleet.detector.clocks):
            before = clock.time
            self._replay(self.fleet.take(news, proven=proven, shard=shard))
            if shard == 0:
                self._count(self.fleet.step, clock.time - before)

    def _read(self, seen: set[int]) -> list[News]:
        news = []
        for host in (self.hosts[number] for number in seen):
            if host.stored is not None and host.stored != host.read:
                host.read = host.stored
                incarnation, sequence = host.stored
                news.append(
                    self.fleet.news(
                        [host.row], sequence, incarnation=incarnation, interval=INTERVAL
                    )
                )
        return news

    def _replay(self, batches: list[StateChanges]) -> None:
        judged: set[int] = set()
        for changes in batches:
            for row, old, new in zip(
                changes.rows.tolist(), changes.old.tolist(), changes.new.tolist(), strict=True
            ):
                assert self.replayed[row] == old
                assert row not in judged or old == new, "two verdicts on one member in one sweep"
                judged.add(row)
                self.replayed[row] = Code(new)

    def _count(self, step: Step, listened: float) -> None:
        assert listened <= LONGEST_STEP * PERIOD + 1e-9
        self.listened_since_gap += listened
        for host in self.hosts:
            host.silence += listened
        if step is Step.RESUMED:
            self.listened_since_gap = 0.0
            for host in self.hosts:
                host.silence = min(host.silence, DOWN_TIME - ALLOWANCE)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=examples(80), stateful_step_count=40, deadline=None)


# What Hypothesis found when a rule was wrong or missing: allowance, proven sweeps only.
LIVES_THAT_ENDED_BADLY: dict[str, list[tuple[str, dict[str, object]]]] = {
    "gaps too brief to come back in": [
        ("begin", {"storm_min": 0, "replicas": 1}),
        ("flapping_path", {"closed_for": 1, "open_for": 3, "paused": False, "times": 2}),
        ("flapping_path", {"closed_for": 1, "open_for": 2, "paused": False, "times": 6}),
    ],
    "sweeps that prove nothing": [
        ("begin", {"storm_min": 0, "replicas": 1}),
        ("broken_sweep", {"seen": set()}),
        ("broken_sweep", {"seen": set()}),
        ("broken_sweep", {"seen": {0}}),
        ("closed_path", {"count": 8}),
    ],
}


@pytest.mark.parametrize("life", LIVES_THAT_ENDED_BADLY)
def test_lives_that_ended_badly(life: str) -> None:
    state = Life()
    for step, arguments in LIVES_THAT_ENDED_BADLY[life]:
        getattr(state, step)(**arguments)
        state.nobody_alive_is_accused()
        state.everyone_dead_is_found()
        state.changes_replay_to_the_table()


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_state(status: Status) -> None:
    fleet = Fleet()
    (row,) = fleet.add(1)
    fleet.beat([row], 1, status=status)
    assert fleet.state(row) in CODES.values()
