"""What musterd top draws: lines that fit, the worst first, honest where nobody answers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.answers import GroupSummary
from musterd.cli.render import coloured, plain
from musterd.cli.topframe import KEYS, Span, TopView, bar, columns, drawn, frame
from musterd.client.columnview import ZoneCount
from musterd.incidents import Incident, IncidentKind
from musterd.model import Mark, State, Transition
from musterd.status import EventStatus
from tests.notify_desk import incident

NOW = datetime(2026, 3, 1, 2, 25, tzinfo=UTC)
ESCAPES = re.compile(r"\x1b\[\d+m")


def zone(name: str, up: int, down: int = 0, suspect: int = 0, forced: int = 0) -> ZoneCount:
    states = {State.UP: up, State.DOWN: down, State.SUSPECT: suspect, State.LEFT: 0}
    return ZoneCount("compute", name, up + down + suspect, states, forced)


def change(member: str = "h1") -> Transition:
    names = "compute", member, State.UP, State.DOWN
    return Transition(3, NOW, *names, "silent for 60 s", "", "ops", zone="rack-3")


def told(*incidents: Incident) -> EventStatus:
    states = {State.UP: 40, State.DOWN: 4}
    group = GroupSummary("compute", 44, states, {}, {Mark.DISABLED: 2, Mark.DRAINING: 0})
    return EventStatus(None, [group], list(incidents))


def scene(*incidents: Incident, zones: int = 2, changes: int = 2) -> TopView:
    return TopView(
        NOW,
        "http://c1:8420",
        listening=True,
        told=told(*incidents),
        zones=[zone("rack-1", 22), *(zone(f"rack-{at}", 20, 4) for at in range(2, zones + 1))],
        changes=[change(f"h{at}") for at in range(changes)],
    )


def test_all_of_it_at_eighty_columns() -> None:
    assert frame(scene(incident(count=4)), 80, 17, plain) == [
        "ATTENTION  1 incident  http://c1:8420  2026-03-01 02:25:00Z",
        "compute: 44 members  40 up  4 down  2 disabled",
        "",
        "NEEDS ATTENTION (1): musterd incidents says what to do",
        "DEATHS 4 members of rack-a are down, for 2 h",
        "",
        "ZONES (2), the worst first",
        "compute rack-2 [====================xxxx] 20 up 4 down",
        "compute rack-1 [========================] 22 up",
        "",
        "LAST CHANGES",
        "02:25:00Z compute/h0 in rack-3  up -> down  (silent for 60 s)  by ops",
        "02:25:00Z compute/h1 in rack-3  up -> down  (silent for 60 s)  by ops",
        "",
        "",
        "",
        KEYS,
    ]


def test_what_is_more_than_fits_is_counted() -> None:
    many = [incident(str(at)) for at in range(30)]
    lines = frame(scene(*many, zones=30, changes=30), 60, 24, plain)
    assert [line for line in lines if line.startswith("and ")] == [
        *("and 26 more", "and 26 more", "and 26 more")
    ]
    assert len(lines) == 24


def test_when_all_is_well_it_says_so() -> None:
    head, *rest = frame(scene(changes=0), 80, 24, coloured)
    assert head.startswith("\x1b[32mWELL\x1b[0m  nothing needs attention")
    assert not any("LAST" in line or "ATTENTION" in line for line in rest)


def test_mild_ones_are_yellow() -> None:
    mild = incident(kind=IncidentKind.FORCED_DOWN)
    assert frame(scene(mild), 80, 24, coloured)[0].startswith("\x1b[33mATTENTION")
    assert frame(scene(mild, incident()), 80, 24, coloured)[0].startswith("\x1b[31mATTENTION")


def test_while_nobody_answers_what_is_known_is_old_and_says_so() -> None:
    assert frame(TopView(NOW), 80, 3, plain)[0].startswith("NO ANSWER: not connected yet  2026")
    lost = scene()._replace(followed="", problem="refused", lost=NOW - timedelta(seconds=12))
    assert frame(lost, 99, 3, plain)[0].startswith(
        "NO ANSWER for 12 s: refused; what follows is as of then"
    )


@pytest.mark.parametrize(("age", "words"), [(None, " heard, so"), (4.0, " heard for 4 s, so")])
def test_a_coordinator_that_hears_nothing_is_no_well_one(age: float | None, words: str) -> None:
    head = frame(scene()._replace(listening=False, age=age), 120, 3, plain)[0]
    assert head.startswith("NOT LISTENING  the store is not")
    assert words in head


def test_many_groups_are_a_few_lines() -> None:
    groups = [GroupSummary(f"g{at}", 1, {State.UP: 1}) for at in range(9)]
    lines = frame(scene()._replace(told=EventStatus(None, groups, [])), 80, 24, plain)
    assert lines[1:5] == [
        *("g0: 1 member  1 up", "g1: 1 member  1 up", "g2: 1 member  1 up"),
        "and 6 more groups: musterd groups",
    ]


def test_members_that_are_forced_down_are_told_of_a_zone() -> None:
    forced = scene()._replace(zones=[zone("a", 3), zone("b", 2, 1, forced=1)])
    lines = frame(forced, 80, 24, plain)
    assert lines[4] == "compute b [================xxxxxxxx] 2 up 1 down 1 forced down"


def test_what_is_cut_says_so() -> None:
    row = [Span("abc", "red"), Span("def"), Span("ghi")]
    assert drawn(row, 9, plain) == "abcdefghi"
    assert drawn(row, 5, plain) == "abcd~"
    assert drawn(row, 0, plain) == ""
    assert drawn([Span("日本語")], 4, plain) == "日~"
    assert columns("e\u0301") == 1


COUNTS = st.integers(0, 5000)
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40)


@given(COUNTS, COUNTS, COUNTS)
def test_a_bar_is_as_long_as_any_other_and_shows_whoever_is_there(
    up: int, down: int, suspect: int
) -> None:
    parts = dict(bar(zone("a", up, down, suspect)))
    there = {State.UP: up, State.DOWN: down, State.SUSPECT: suspect}
    assert set(parts) == {state for state, number in there.items() if number}
    assert sum(parts.values()) == (24 if parts else 0)
    assert all(size > 0 for size in parts.values())


@given(
    st.tuples(st.integers(0, 130), st.integers(0, 50)),
    st.tuples(st.integers(0, 12), st.integers(1, 12), st.integers(0, 12)),
    TEXTS,
    st.booleans(),
)
def test_no_line_is_wider_than_the_width_and_there_are_no_more_than_the_height(
    size: tuple[int, int], many: tuple[int, int, int], text: str, followed: bool
) -> None:
    (width, height), (incidents, zones, changes) = size, many
    shown = scene(
        *(incident(f"{text}{at}") for at in range(incidents)), zones=zones, changes=changes
    )
    shown = shown._replace(followed=text if followed else "", problem=text)
    lines = frame(shown, width, height, coloured)
    assert len(lines) == height
    for line in lines:
        assert columns(ESCAPES.sub("", line)) <= width
    assert lines[-1:] in ([], [drawn([Span(KEYS, "grey")], width, coloured)]) or height == 1
