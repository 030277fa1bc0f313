"""All members in the order of groups, zones and names, while they come, go and move."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from musterd.model import Facts, Member
from musterd_coordinator.roll import arrangement as arranging
from musterd_coordinator.roll.arrangement import Arrangement, Arranger
from musterd_coordinator.roll.columns import CellColumns
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.steps import Steps, whole
from tests.unit.stage import Stage, host

BLOCK = 2  # of names that stand together
UNKNOWN, UP = 0, 1  # cells
Deed = tuple[str, int, str]  # what, of which member, and in which zone


@pytest.fixture(autouse=True, scope="module")
def small_steps() -> Iterator[None]:
    """A few members are many, so that small fleets are arranged in many steps."""
    with pytest.MonkeyPatch.context() as patch:
        for name, least in {"PUT_AT_ONCE": 2, "GROUPS_AT_ONCE": 1, "REBUILT_FROM": 4}.items():
            patch.setattr(arranging, name, least)
        yield


class Fleet:
    """A roll whose members come, go and move, and what is to be said of them."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.stage.sweep()
        roll = self.stage.roll
        roll.arranger = Arranger(roll.detector.members, roll.directory, block=BLOCK)
        self.columns = CellColumns(roll)
        self.under_way: Steps[Arrangement] | None = None

    def do(self, deed: Deed) -> None:
        what, number, zone = deed
        group, name = f"g{number % 2}", f"h{number}"
        row = self.stage.roll.directory.row(group, name)
        if what == "settle":
            self.stage.sweep(seated=((number, Member(group, name, zone=zone)),))
        elif what == "order" and row is not None:
            self.stage.roll.set_facts(row, Facts(zone=zone), "")
        elif what == "forget" and row is not None:
            self.stage.roll.remove([row])
        elif what == "step":
            self.under_way = self.under_way or self.columns.arrange()
            if next(self.under_way, "done") == "done":
                self.under_way = None
        elif what == "give up":
            self.give_up()

    def give_up(self) -> None:
        if self.under_way is not None:
            self.under_way.close()
            self.under_way = None

    def arranged(self) -> Arrangement:
        if self.under_way is not None:
            whole(self.under_way)
            self.under_way = None
        return whole(self.columns.arrange())

    def in_order(self) -> list[tuple[str, str, str, int]]:
        """Group, zone, name and row of all, as those who answer for one member have them."""
        answers, directory = self.stage.answers, self.stage.roll.directory
        rows = [row for group in directory.groups.values() for row in group.rows]
        members = [directory.member(row) for row in rows]
        zones = [answers.member(one.group, one.name).zone for one in members]
        return sorted(
            (one.group, zone, one.name, row)
            for one, zone, row in zip(members, zones, rows, strict=True)
        )


DEEDS = st.tuples(
    st.sampled_from(["settle", "settle", "settle", "order", "forget", "step", "give up"]),
    st.integers(0, 11),
    st.sampled_from(["", "a", "b"]),
)


def same(fleet: Fleet, arranged: Arrangement) -> None:
    expected = fleet.in_order()
    rows = [row for *_, row in expected]
    assert arranged.rows.tolist() == rows
    assert arranged.places(arranged.rows).tolist() == list(range(len(rows)))
    assert fleet.columns.names(arranged.rows) == [name for *_, name, _ in expected]
    assert fleet.columns.is_newest(arranged)
    zones = [(at, len(list(them))) for at, them in groupby(expected, lambda each: each[:2])]
    told = [
        ((group, zone.zone), zone.members)
        for group, places in arranged.groups.items()
        for zone in places.zones
    ]
    assert told == zones
    begins = [places.begin for places in arranged.groups.values()]
    assert [*begins, len(rows)][1:] == [places.end for places in arranged.groups.values()]


@given(st.lists(DEEDS, max_size=50))
def test_all_stand_by_group_zone_and_name_whatever_happens_meanwhile(deeds: Sequence[Deed]) -> None:
    fleet = Fleet()
    for deed in deeds:
        fleet.do(deed)
    same(fleet, fleet.arranged())


@given(st.lists(DEEDS, max_size=20), st.lists(DEEDS, max_size=20))
def test_the_next_order_is_made_from_the_one_before(
    first: Sequence[Deed], then: Sequence[Deed]
) -> None:
    fleet = Fleet()
    for deeds in (first, then):
        for deed in deeds:
            fleet.do(deed)
        same(fleet, fleet.arranged())


def test_who_moved_is_in_no_place_until_all_are_in_order_again() -> None:
    fleet = Fleet()
    for deed in (("settle", 0, "a"), ("settle", 2, "a"), ("settle", 1, "b")):
        fleet.do(deed)
    before = fleet.arranged()
    version = fleet.stage.roll.version
    fleet.do(("order", 2, "b"))
    assert not fleet.columns.is_newest(before)
    assert fleet.columns.names(before.rows) is None
    assert fleet.columns.changed(before, version) == {}
    after = fleet.arranged()
    assert after.number == before.number + 1
    assert fleet.columns.changed(after, version) == {"g0": [(1, UNKNOWN)]}


def test_a_change_has_its_ordinal_and_cell() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("b")), (1, host("a", zone="z"))))
    columns = CellColumns(stage.roll)
    arranged = whole(columns.arrange())
    assert columns.cells(arranged).tolist() == [UP, UNKNOWN]
    version = stage.roll.version
    assert columns.changed(arranged, version) == {}
    stage.sweep({0: (7, 2), 1: (8, 1)})
    assert columns.changed(arranged, version) == {"compute": [(1, UP)]}
    assert columns.is_at_hand(version)
    assert columns.changed(arranged, version + 99) is None


def test_a_row_that_came_later_has_no_place() -> None:
    arranged = Arrangement(1, np.array([2, 0]), {})
    later: Any = np.array([0, 1, 2, 3])
    assert arranged.places(later).tolist() == [1, NOBODY, 0, NOBODY]
