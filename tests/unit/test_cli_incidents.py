"""`musterd incidents`, against the real HTTP API over a desk of known answers."""

import json
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from musterd.cli import incidents as command
from musterd.cli import render
from musterd.client import AsyncClient
from musterd.incidents import Incident, IncidentKind, IncidentList
from tests.desk_seats import NOW
from tests.unit.cli_desk import Coordinator, Run

STORM = Incident(
    id="00c0ffee00c0ffee",
    kind=IncidentKind.MASS_SILENCE,
    group="compute",
    zone="rack-20",
    scope="",
    count=40,
    suspect=40,
    zones=1,
    members=["compute/h0001", "compute/h0002", "compute/h0003"],
    since=NOW - timedelta(seconds=25),
    newest=NOW - timedelta(seconds=24),
    until=None,
    what="40 of compute in rack-20 are suspect: too much of a zone went at once",
    next="Look at what they share first, as network and power; confirm the silence, by"
    " `musterd confirm-silence`, once you know that they are dead.",
    command="musterd members compute --zone rack-20 --state suspect",
)
PART = replace(
    STORM, id="00c0ffee00c0ffed", zone="rack-21", what="40 of compute in rack-21 are suspect"
)
MANY = replace(
    STORM, zone=None, count=240, zones=6, what="240 of compute in 6 zones", parts=[STORM, PART]
)
AWAY = replace(
    STORM,
    kind=IncidentKind.REGISTRY_BEHIND,
    members=[],
    newest=None,
    what="3 changes are not in the registry yet",
    command="musterd status",
)
OVER = replace(AWAY, until=NOW - timedelta(minutes=5), since=NOW - timedelta(minutes=7))


def listed(*incidents: Incident, over: tuple[Incident, ...] = ()) -> IncidentList:
    return IncidentList(7, NOW, incidents, over)


def test_what_needs_attention(run: Run, coordinator: Coordinator) -> None:
    coordinator.desk.listed = listed(STORM, AWAY)
    status, out, err = run("incidents")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"MASS SILENCE: {STORM.what}",
        "  for 25 s, the newest for 24 s: compute/h0001, compute/h0002, compute/h0003 and 37 more",
        f"  {STORM.next}",
        "  $ musterd members compute --zone rack-20 --state suspect",
        "",
        "REGISTRY BEHIND: 3 changes are not in the registry yet",
        "  for 25 s",
        f"  {AWAY.next}",
        "  $ musterd status",
        "",
    ]


def test_nothing_needs_attention(run: Run, coordinator: Coordinator) -> None:
    assert run("incidents") == (0, "nothing needs attention\n", "")
    coordinator.desk.listed = listed(over=(OVER,))
    assert run("incidents")[1].splitlines() == [
        "nothing needs attention",
        "1 incident resolved within the last hour: see --resolved",
    ]
    assert run("incidents", "--resolved")[1].splitlines() == [
        "nothing needs attention",
        "resolved 5 min ago, after 2 min: 3 changes are not in the registry yet",
    ]


def test_parts_are_opened(run: Run, coordinator: Coordinator) -> None:
    coordinator.desk.listed = listed(MANY)
    assert "rack-21" not in run("incidents")[1]
    opened = run("incidents", "--parts")[1].splitlines()
    assert opened[4:6] == [
        f"  - {STORM.what}, for 25 s",
        "  - 40 of compute in rack-21 are suspect, for 25 s",
    ]


def test_json_is_the_answer(run: Run, coordinator: Coordinator) -> None:
    coordinator.desk.listed = listed(MANY, over=(OVER,))
    answer = json.loads(run("incidents", "--json")[1])
    assert answer["incidents"][0]["parts"][1]["id"] == PART.id
    assert answer["incidents"][0]["zone"] is None
    assert answer["resolved"][0]["kind"] == "registry_behind"


async def test_a_client_asks_too(coordinator: Coordinator) -> None:
    coordinator.desk.listed = listed(STORM)
    async with AsyncClient(coordinator.url) as client:
        assert [one.id for one in (await client.incidents()).incidents] == [STORM.id]


def test_nothing_that_a_host_says_moves_a_cursor(run: Run, coordinator: Coordinator) -> None:
    hostile = "rack\x1b[2J\nREGISTRY BEHIND: forged"
    coordinator.desk.listed = listed(replace(STORM, zone=hostile, what=hostile, command=hostile))
    lines = run("incidents")[1].splitlines()
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.startswith("REGISTRY")]


@given(st.integers(20, 120), st.booleans(), st.booleans())
def test_it_fits_the_width_but_for_commands(width: int, parts: bool, resolved: bool) -> None:
    answer = listed(MANY, AWAY, over=(OVER, OVER))
    shown = list(command.lines(answer, render.plain, width, parts=parts, resolved=resolved))
    long = [line for line in shown if len(line) > width]
    assert all(line.startswith("  $ ") for line in long)
    whole = list(command.lines(answer, render.plain, None, parts=parts, resolved=resolved))
    assert " ".join(shown).split() == " ".join(whole).split()


@pytest.mark.parametrize(
    ("kind", "colour"), [(IncidentKind.DEATHS, "31"), (IncidentKind.MASS_SILENCE, "33")]
)
def test_the_kind_is_in_colour(kind: IncidentKind, colour: str) -> None:
    told = list(command.lines(listed(replace(STORM, kind=kind)), render.coloured, 80))
    word = kind.replace("_", " ").upper()
    assert told[0].startswith(f"\x1b[{colour}m{word}\x1b[0m: ")
    assert not [line for _, line in pairwise(told) if "\x1b" in line]
