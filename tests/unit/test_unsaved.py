"""What the registry does not know yet, beside a plain list of lines."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import Member, State, Transition
from musterd_coordinator.judge.members import Code
from musterd_coordinator.judge.transitions import Cause, StateChanges
from musterd_coordinator.registry.rows import transition_of
from musterd_coordinator.roll.batch import alike
from musterd_coordinator.roll.changeset import ChangeSet, Evidence
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.outbox import Outbox

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = 8
rows = st.integers(0, ROWS - 1)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("told"), st.lists(rows, max_size=ROWS, unique=True)),
        st.tuples(st.just("forget"), rows),
        st.tuples(st.just("ordered"), rows),
        st.tuples(st.just("take"), st.integers(1, 6)),
    ),
    max_size=25,
)


def told(version: int, chosen: list[int]) -> ChangeSet:
    count = len(chosen)
    changes = StateChanges(
        np.array(chosen, np.int64),
        np.full(count, Code.UP, np.uint8),
        np.full(count, Code.DOWN, np.uint8),
        np.full(count, Cause.SILENT, np.uint8),
        np.array(chosen, float),  # a reason of everybody's own
    )
    evidence = Evidence(
        "mc", 0.0, 8.0, np.array([60.0 * row for row in chosen]), np.empty((0, 2), np.uint64)
    )
    return ChangeSet(version, AT, changes, evidence)


def line(version: int, row: int, member: Member) -> Transition:
    reason = (
        f"silent for {row:.1f} s of listening; last beat seen 1970-01-01T00:{row:02d}:00Z;"
        " shard mc proven 0.0 s ago"
    )
    return Transition(version, AT, member.group, member.name, State.UP, State.DOWN, reason)


class Crowd:
    """Members in the rows of a directory; who is forgotten makes room for another one."""

    def __init__(self) -> None:
        self.directory = NameIndex()
        self.rows: dict[str, int | None] = {}
        for row in range(ROWS):
            self.seat(row)

    def seat(self, row: int) -> None:
        name = f"m{len(self.rows)}"
        self.directory.add(alike([Member("g", name)]), np.array([row]))
        self.rows[name] = row

    def replace(self, row: int) -> None:
        self.rows[self.directory.member(row).name] = None
        self.directory.remove(row)
        self.seat(row)


@given(steps)
def test_every_line_is_there_under_its_members_name_until_it_is_taken(
    steps: list[tuple[str, Any]],
) -> None:
    crowd = Crowd()
    unsaved, there = Outbox(crowd.directory.member), set[Transition]()
    for version, (step, what) in enumerate(steps):
        if step == "told":
            unsaved.add_changes(told(version, what))
            there |= {line(version, row, crowd.directory.member(row)) for row in what}
        elif step == "forget":
            unsaved.remove(what)
            crowd.replace(what)
        elif step == "ordered":
            name = crowd.directory.member(what).name
            order = Transition(version, AT, "g", name, State.UP, State.UP, "an order")
            unsaved.lines.append(order)
            there.add(order)
        else:
            taken = list(map(transition_of, unsaved.pop_lines(what)))
            assert [each.version for each in taken] == sorted(each.version for each in taken)
            assert len(taken) <= what
            assert set(taken) <= there
            there -= set(taken)
        for name, row in crowd.rows.items():
            mine = unsaved.lines_of(row, "g", name)
            assert set(mine) == {each for each in there if each.member == name}
            assert len(mine) == len(set(mine))
    while unsaved.has_lines:
        there -= set(map(transition_of, unsaved.pop_lines(3)))
    assert not there


@given(st.lists(st.lists(rows, max_size=ROWS, unique=True), max_size=4), st.integers(0, 20))
def test_the_oldest_lines_are_lost_first(batches: list[list[int]], most: int) -> None:
    crowd = Crowd()
    unsaved = Outbox(crowd.directory.member)
    for version, chosen in enumerate(batches):
        unsaved.add_changes(told(version, chosen))
    order = Transition(99, AT, "g", "m0", State.UP, State.UP, "an order")
    unsaved.lines.append(order)
    told_of = [
        line(version, row, crowd.directory.member(row))
        for version, chosen in enumerate(batches)
        for row in chosen
    ]
    every = [*told_of, order]
    assert unsaved.drop_lines(most) == max(0, len(every) - most)
    left = list(map(transition_of, unsaved.pop_lines(100)))
    assert left == every[len(every) - min(most, len(every)) :]
