"""Two coordinators on one registry and one store: a forgetting is one decision, and leaves no ghost.

Everything is in the test's hands: when each of them reads the store, takes that in, writes and hears
of the other. A sweep may be under way while somebody is forgotten, and so may a write.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musterd.model import Facts, Member, State
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.registry.base import Entry, Gone, Row
from musterd_coordinator.roll.pending import KnownLives
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Rejected, no_beats
from musterd_coordinator.sweep.loop import SweepOutcome
from tests.examples import examples
from tests.unit.stage import Stage, columns_of

AT = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("a", "b", "c")


@dataclass
class Agent:
    """One host: while it is alive it announces itself where it has no seat, and beats."""

    alive: bool = False
    incarnation: int = 0
    sequence: int = 0
    forgotten: bool = False  # after its last beat


class Store:
    """One shard: who sits where, and with which record."""

    def __init__(self) -> None:
        self.seats: dict[int, str] = {}
        self.records: dict[int, tuple[int, int]] = {}

    def beat(self, name: str, agent: Agent) -> None:
        slot = next((slot for slot, holder in self.seats.items() if holder == name), None)
        if slot is None:
            slot = next(slot for slot in range(99) if slot not in self.seats)
            self.seats[slot] = name
        agent.sequence += 1
        agent.forgotten = False
        self.records[slot] = agent.incarnation, agent.sequence

    def retire(self, name: str) -> None:
        for slot in [slot for slot, holder in self.seats.items() if holder == name]:
            del self.seats[slot]
            self.records.pop(slot, None)


@dataclass
class Line:
    """A member's row."""

    state: State
    changed: int
    changed_by: int
    forgotten: bool = False


class Registry:
    """As the shared one is: rows with the number of who changed them last."""

    def __init__(self) -> None:
        self.rows: dict[str, Line] = {}
        self.number = 100

    def record(self, me: int, members: list[Row], known: Sequence[int]) -> None:
        self.number += 1
        for row in members:
            name, state, line = row[1], State(row[6]), self.rows.get(row[1])
            if line is None or (line.forgotten and line.changed in known):
                self.rows[name] = Line(state, self.number, me)
            elif not line.forgotten:
                line.state = state

    def forget(self, me: int, name: str) -> int:
        self.number += 1
        line = self.rows.get(name)
        if line is not None:  # a second time too: since the first it may have been back
            line.forgotten, line.changed, line.changed_by = True, self.number, me
        return self.number

    def changed(self, me: int, since: int) -> list[Entry | Gone]:
        return [
            Gone("compute", name, line.changed)
            if line.forgotten
            else Entry(Member("compute", name), Facts(), line.state, "as told", AT, AT, 0.5)
            for name, line in self.rows.items()
            if line.changed > since and line.changed_by != me
        ]


@dataclass
class Coordinator:
    """One roll, with what it reads and what it writes under way."""

    number: int
    stage: Stage
    seen: dict[int, str] = field(default_factory=dict)
    reading: tuple[float, dict[int, str], dict[int, tuple[int, int]]] | None = None
    writing: tuple[Rows, list[Row], KnownLives] | None = None
    heard: int = 0

    @property
    def roll(self) -> Roll:
        return self.stage.roll

    def knows(self) -> dict[str, State]:
        rows = {name: self.roll.directory.row("compute", name) for name in NAMES}
        return {name: self.roll.view.state(row) for name, row in rows.items() if row is not None}


class World:
    """Both of them, and the agents."""

    def __init__(self) -> None:
        self.store, self.registry = Store(), Registry()
        self.agents = {name: Agent() for name in NAMES}
        self.both = [Coordinator(number, Stage()) for number in (1, 2)]
        for each in self.both:
            self.read(each)
            self.take(each)
        for name in NAMES[:2]:
            self.join(name)
        self.rounds(3)

    def join(self, name: str) -> None:
        agent = self.agents[name]
        agent.alive, agent.sequence, agent.incarnation = True, 0, agent.incarnation + 1000
        self.store.beat(name, agent)

    def beat(self, name: str) -> None:
        if self.agents[name].alive:
            self.store.beat(name, self.agents[name])

    def die(self, name: str) -> None:
        self.agents[name].alive = False

    def forget(self, each: Coordinator, name: str, retired: bool) -> None:
        row = each.roll.directory.row("compute", name)
        if row is None:
            return
        self.end_write(each)  # an order waits for its own coordinator's writing
        _, members = each.roll.pending.pop(np.array([row]))
        self.registry.record(each.number, members, each.roll.pending.known_lives().forgettings)
        each.roll.remove([row], self.registry.forget(each.number, name))
        self.agents[name].forgotten = True
        if retired:
            self.store.retire(name)

    def read(self, each: Coordinator) -> None:
        if each.reading is None:
            each.stage.now += 0.001
            each.reading = each.stage.now, dict(self.store.seats), dict(self.store.records)

    def take(self, each: Coordinator) -> None:
        if each.reading is None:
            return
        (begin, seats, records), each.reading = each.reading, None
        moved = {slot for slot in each.seen if each.seen[slot] != seats.get(slot)}
        fresh = [(slot, name) for slot, name in seats.items() if each.seen.get(slot) != name]
        roster = Roster(
            tuple((slot, Member("compute", name)) for slot, name in fresh), tuple(sorted(moved))
        )
        each.seen = seats
        beats = columns_of(records, 0) if records else no_beats()  # type: ignore[arg-type]
        sweep = BeatBatch(beats, Rejected(), complete=True)
        each.roll.apply(
            0, SweepOutcome(begin, begin + 0.0005, True, "", roster, sweep, 0.001, 0.01)
        )

    def start_write(self, each: Coordinator) -> None:
        if each.writing is None:
            pending = each.roll.pending
            known = pending.known_lives()
            each.writing = *pending.pop(pending.due(0.0)), known

    def end_write(self, each: Coordinator) -> None:
        if each.writing is None:
            return
        (rows, members, known), each.writing = each.writing, None
        self.registry.record(each.number, members, known.forgettings)
        each.roll.pending.acknowledge(rows, known)

    def hear(self, each: Coordinator) -> None:
        now = self.registry.number
        each.stage.now += 0.001
        each.roll.merge(self.registry.changed(each.number, each.heard))
        each.heard = now

    def rounds(self, count: int) -> None:
        """So many times half a second in which all goes well."""
        for _ in range(count):
            for name in NAMES:
                self.beat(name)
            for each in self.both:
                each.stage.now += 0.5
                each.stage.wall += 0.5
                for step in (self.read, self.take, self.start_write, self.end_write, self.hear):
                    step(each)

    def steps(self) -> dict[str, Callable[[int, str], None]]:
        def of(step: Callable[[Coordinator], None]) -> Callable[[int, str], None]:
            return lambda who, _: step(self.both[who])

        return {
            "join": lambda _, name: self.join(name),
            "beat": lambda _, name: self.beat(name),
            "die": lambda _, name: self.die(name),
            "forget": lambda who, name: self.forget(self.both[who], name, retired=True),
            "forget only": lambda who, name: self.forget(self.both[who], name, retired=False),
            "read": of(self.read),
            "take": of(self.take),
            "start write": of(self.start_write),
            "end write": of(self.end_write),
            "hear": of(self.hear),
            "go on": lambda *_: self.rounds(1),
        }


STEPS = sorted(World().steps())


SEAT_TAKEN_BEFORE_IT_WAS_FORGOTTEN = [
    *(("forget", 1, "b"), ("read", 0, "a"), ("beat", 0, "b"), ("die", 0, "b")),
    *(("forget only", 0, "b"), ("go on", 0, "a")),
]

FORGOTTEN_TWICE = [
    *(("forget", 1, "b"), ("read", 1, "a"), ("beat", 0, "b"), ("die", 0, "b")),
    ("forget only", 0, "b"),
]


@settings(max_examples=examples(80))
@example(FORGOTTEN_TWICE)
@example(SEAT_TAKEN_BEFORE_IT_WAS_FORGOTTEN)
@given(
    st.lists(
        st.tuples(st.sampled_from(STEPS), st.integers(0, 1), st.sampled_from(NAMES)),
        min_size=20,
        max_size=30,
    )
)
def test_whatever_happens_both_agree_and_nobody_who_was_forgotten_is_a_ghost(
    steps: list[tuple[str, int, str]],
) -> None:
    world = World()
    for step, who, name in steps:
        world.steps()[step](who, name)
    for each in world.both:  # whatever was under way
        world.take(each)
        world.end_write(each)
    world.rounds(24)  # twelve seconds; service_down_time is four
    one, two = (each.knows() for each in world.both)
    assert one == two
    for name, agent in world.agents.items():
        if agent.alive:
            assert one.get(name) is State.UP
        elif agent.forgotten:
            assert name not in one
            line = world.registry.rows.get(name)
            assert line is None or line.forgotten
        else:
            assert one.get(name) in (None, State.DOWN)
