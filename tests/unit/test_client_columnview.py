"""Events in columns add up to counts by zone."""

from datetime import UTC, datetime

import msgspec
import pytest

from musterd.answers import Columns, EventCells, EventPing, GroupColumns, ZoneColumns
from musterd.client.columnview import ColumnView
from musterd.client.view import Event
from musterd.errors import CoordinatorError
from musterd.model import State
from musterd.status import EventStatus

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def event(name: str, data: object, mark: str = "r-1") -> Event:
    return Event(name, mark, msgspec.json.encode(data))


def columns(cells: bytes, *zones: int) -> Event:
    parts = [ZoneColumns(f"z{at}", members) for at, members in enumerate(zones)]
    groups = [GroupColumns("g", parts, cells)]
    return event("columns", Columns(1, "a-1", NOW, True, 0.5, groups))


def cells(*changed: tuple[int, int], layout: str = "a-1", group: str = "g") -> Event:
    return event("cells", EventCells(2, layout, NOW, {group: changed}), "r-2")


def view_of(data: bytes, *zones: int) -> ColumnView:
    view = ColumnView("g")
    assert not view.whole
    view.apply(event("status", EventStatus(None, [], []), ""))
    view.apply(columns(data, *zones))
    assert (view.whole, view.listening, view.staleness, view.resume) == (True, True, 0.5, "r-1")
    return view


def counts(view: ColumnView) -> list[tuple[str, dict[str, int], int]]:
    return [
        (one.zone, {state: n for state, n in one.states.items() if n}, one.forced_down)
        for one in view.zones()
    ]


def test_cells_are_counted_by_zone_and_change() -> None:
    view = view_of(bytes([1, 1, 3 + 16, 2]), 3, 1)
    up, down, suspect = State.UP, State.DOWN, State.SUSPECT
    assert counts(view) == [("z0", {up: 2, down: 1}, 1), ("z1", {suspect: 1}, 0)]
    view.apply(cells((0, 3), (3, 1 + 8)))
    assert counts(view) == [("z0", {up: 1, down: 2}, 1), ("z1", {up: 1}, 0)]
    view.apply(cells((0, 1), layout="a-2"))  # of members that stand elsewhere: columns follow
    assert counts(view)[0] == ("z0", {up: 1, down: 2}, 1)
    view.apply(event("ping", EventPing(2, False, 3.0), "r-2"))
    assert (view.listening, view.staleness, view.resume) == (False, 3.0, "r-2")
    view.restart()
    assert view.whole


@pytest.mark.parametrize(
    "told",
    [
        cells((4, 1)),
        cells((-1, 1)),
        cells((0, 256)),
        cells((0, 1), group="h"),
        columns(bytes(3), 2),
        Event("columns", "r-1", b"{"),
        Event("status", "", b'{"status": 1}'),
    ],
)
def test_what_makes_no_sense_is_refused(told: Event) -> None:
    view = view_of(bytes([1, 1, 1, 1]), 4)
    with pytest.raises(CoordinatorError):
        view.apply(told)
    assert counts(view) == [("z0", {State.UP: 4}, 0)]


def test_more_members_than_there_may_be_are_refused() -> None:
    view = ColumnView("g", limit=3)
    with pytest.raises(CoordinatorError, match="more than 3 members"):
        view.apply(columns(bytes(4), 4))


def test_before_anything_is_said_there_are_no_zones() -> None:
    view = ColumnView()
    view.apply(cells((0, 1)))
    assert list(view.zones()) == []
