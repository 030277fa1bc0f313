"""Events parsed from pieces of any size, and the view that they add up to."""

from datetime import UTC, datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.answers import EventChanges, EventPing, EventSnapshot, MemberChange
from musterd.client.view import EVENT_LIMIT, Event, EventParser, GroupView
from musterd.errors import CoordinatorError
from musterd.model import State, Verdict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
DOWN = Verdict(up=False, schedulable=False, down=True, state=State.DOWN)
STREAM = 'event: ping\nid: ab-1\ndata: {"a":"é\u2028"}\n\nevent: changes\ndata: {}\n\n'.encode()


def snapshot(
    version: int,
    members: dict[str, Verdict],
    *,
    more: bool,
    listening: bool = True,
    staleness: float | None = 0.5,
) -> Event:
    """A part of a snapshot, of two groups."""
    groups = {"g": members, "other": {"x": UP}}
    part = EventSnapshot(version, listening, staleness, groups, more)
    return Event("snapshot", "" if more else f"r-{version}", msgspec.json.encode(part))


def changes(version: int, *rows: MemberChange, more: bool = False) -> Event:
    """Changes of one version."""
    part = EventChanges(version, True, 0.5, list(rows), more)
    return Event("changes", "" if more else f"r-{version}", msgspec.json.encode(part))


def change(member: str, verdict: Verdict, *, group: str = "g", gone: bool = False) -> MemberChange:
    """One change."""
    return MemberChange(
        2, NOW, group, member, verdict.state, verdict.up, verdict.schedulable, verdict.down,
        "because", gone,
    )  # fmt: skip


@pytest.fixture
def view() -> GroupView:
    """A view of two members that are up."""
    view = GroupView("g")
    view.apply(snapshot(1, {"h1": UP}, more=True))
    view.apply(snapshot(1, {"h2": UP}, more=False))
    return view


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_events_do_not_depend_on_how_they_were_cut(cuts: list[int]) -> None:
    parser = EventParser()
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in pairwise(edges)]
    assert [event for piece in pieces for event in parser.feed(piece)] == [
        Event("ping", "ab-1", '{"a":"é\u2028"}'.encode()),
        Event("changes", "", b"{}"),
    ]


def test_an_event_without_an_end_is_refused() -> None:
    parser = EventParser()
    with pytest.raises(CoordinatorError, match="an event of more than"):
        parser.feed(b"data: " + b"x" * EVENT_LIMIT)


def test_a_snapshot_counts_when_it_is_whole(view: GroupView) -> None:
    assert set(view.members) == {"h1", "h2"}
    assert (view.version, view.listening, view.staleness, view.resume) == (1, True, 0.5, "r-1")
    view.apply(snapshot(5, {"h3": DOWN}, more=True))
    assert (set(view.members), view.resume) == ({"h1", "h2"}, "r-1")
    view.apply(snapshot(5, {}, more=False))
    assert (set(view.members), view.version) == ({"h3"}, 5)


def test_a_snapshot_that_was_cut_off_is_not_gone_on_with(view: GroupView) -> None:
    view.apply(snapshot(5, {"ghost": UP}, more=True))
    view.restart()
    view.apply(snapshot(6, {"h1": UP}, more=False))
    assert set(view.members) == {"h1"}


def test_a_snapshot_of_one_that_knows_less_is_refused(view: GroupView) -> None:
    view.restart(oldest=3.0)
    for staleness in (None, 3.5):
        with pytest.raises(CoordinatorError, match="not heard its store"):
            view.apply(snapshot(5, {"h3": DOWN}, more=False, listening=False, staleness=staleness))
    assert (set(view.members), view.resume) == ({"h1", "h2"}, "r-1")
    view.apply(snapshot(5, {"h3": DOWN}, more=False, listening=False, staleness=2.5))
    assert set(view.members) == {"h3"}


def test_a_snapshot_without_an_end_is_refused() -> None:
    view = GroupView("g", limit=3)
    view.apply(snapshot(5, {"a": UP, "b": UP, "c": UP}, more=True))
    with pytest.raises(CoordinatorError, match="more than 3 members"):
        view.apply(snapshot(5, {"d": UP}, more=True))


def test_changes_are_applied(view: GroupView) -> None:
    view.apply(changes(2, change("h1", DOWN), change("h2", UP, gone=True), change("h3", UP)))
    assert view.members == {"h1": DOWN, "h3": UP}
    view.apply(changes(3, change("h1", UP, group="other")))
    assert (view.members["h1"], view.version) == (DOWN, 3)


def test_a_part_of_changes_is_no_place_to_resume_from(view: GroupView) -> None:
    view.apply(changes(2, change("h1", DOWN), more=True))
    assert (view.version, view.resume) == (1, "r-1")


def test_a_ping_says_how_good_the_view_is(view: GroupView) -> None:
    view.apply(Event("ping", "r-9", msgspec.json.encode(EventPing(9, False, None))))
    assert (view.version, view.listening, view.staleness) == (9, False, None)
    view.apply(Event("something new", "", b"?"))
    assert view.version == 9


@pytest.mark.parametrize("name", ["snapshot", "changes", "ping"])
def test_nonsense_is_refused_and_changes_nothing(view: GroupView, name: str) -> None:
    for data in (b"", b"{}", b'{"version": "x"}'):
        with pytest.raises(CoordinatorError, match=f"an event '{name}' that is not valid"):
            view.apply(Event(name, "r-7", data))
    assert (set(view.members), view.resume) == ({"h1", "h2"}, "r-1")
