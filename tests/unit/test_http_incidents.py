"""What needs attention, over HTTP: asked for, and followed."""

from typing import Any

import anyio
import pytest
import trio.testing
from msgspec.structs import replace

from musterd.incidents import EventIncidents, Incident, IncidentKind, IncidentList
from musterd.model import Member
from musterd_coordinator.http import make_app
from musterd_coordinator.incidents.sighting import Sighting
from tests.http_calls import ask, reading
from tests.http_desk import DictDesk
from tests.unit.troubled import as_incidents

(ONE,) = as_incidents(
    [Sighting(IncidentKind.DEATHS, "compute", "r1", count=3, members=["compute/h1"])]
)
(OTHER,) = as_incidents([Sighting(IncidentKind.CONFLICT, "volume", "", count=1)])


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
def desk() -> DictDesk:
    """A member of one group, and one of another."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"), Member("volume", "v1"))
    return desk


def told(event: tuple[str, Any]) -> list[str]:
    """Return the ids that an event tells."""
    name, data = event
    assert name == "incidents"
    return [one["id"] for one in data["incidents"]]


async def test_they_are_asked_for(desk: DictDesk) -> None:
    desk.attend(ONE, OTHER)
    answer = (await ask(make_app(desk), "/v1/incidents")).json()
    assert answer["incidents"][0] == {
        "id": ONE.id,
        "kind": "deaths",
        "group": "compute",
        "zone": "r1",
        "scope": "",
        "count": 3,
        "suspect": 0,
        "zones": 1,
        "members": ["compute/h1"],
        "since": "1970-01-01T00:33:20Z",
        "newest": None,
        "until": None,
        "what": "3 of compute in r1 are down",
        "next": ONE.next,
        "command": "musterd members compute --zone r1 --state down",
        "parts": [],
    }
    assert answer["resolved"] == []


async def test_the_description_has_all_of_it(desk: DictDesk) -> None:
    document = (await ask(make_app(desk), "/openapi.json")).json()
    schemas = document["components"]["schemas"]
    for shape in (Incident, IncidentList, EventIncidents):
        assert set(schemas[shape.__name__]["properties"]) == set(shape.__struct_fields__)
    assert set(schemas["IncidentKind"]["enum"]) == set(IncidentKind)


async def test_a_reader_hears_of_them_when_they_change(desk: DictDesk) -> None:
    desk.attend(ONE)
    async with reading(make_app(desk), "/v1/events") as reader:
        parts = [await reader.next() for _ in range(4)]
        assert [name for name, _ in parts] == [*["snapshot"] * 3, "incidents"]
        assert told(parts[3]) == [ONE.id]
        began = anyio.current_time()
        desk.attend(replace(ONE, count=4), OTHER)
        assert told(await reader.next()) == [ONE.id, OTHER.id]
        desk.attend()
        assert told(await reader.next()) == []
        assert anyio.current_time() == began  # at once, and not with the next ping
        desk.attend()
        assert (await reader.next())[0] == "ping"


async def test_who_follows_a_group_hears_of_its_own_alone(desk: DictDesk) -> None:
    async with reading(make_app(desk), "/v1/events?group=volume") as reader:
        assert [(await reader.next())[0] for _ in range(2)] == ["snapshot"] * 2
        desk.attend(ONE)
        desk.attend(ONE, OTHER)
        assert told(await reader.next()) == [OTHER.id]
        desk.attend(replace(ONE, count=9), OTHER)
        assert (await reader.next())[0] == "ping"


async def test_they_are_counted_by_kind(desk: DictDesk) -> None:
    zones = [Sighting(IncidentKind.DEATHS, "compute", f"r{n}", count=2) for n in range(9)]
    slow = Sighting(IncidentKind.SLOW_SWEEPS, scope="mc1", count=7)
    desk.attend(*as_incidents([*zones, slow]), OTHER)
    lines = (await ask(make_app(desk), "/metrics")).body.decode().splitlines()
    for line in (
        'musterd_incidents{kind="deaths"} 9.0',
        'musterd_incidents{kind="conflict"} 1.0',
        'musterd_incidents{kind="slow_sweeps"} 1.0',
        'musterd_incidents{kind="unheard"} 0.0',
        'musterd_incident_members{kind="deaths"} 18.0',
        'musterd_incident_members{kind="forced_down"} 0.0',
    ):
        assert line in lines
    assert not [line for line in lines if 'members{kind="slow_sweeps"}' in line]


async def test_no_event_is_one_to_resume_from(desk: DictDesk) -> None:
    desk.attend(ONE)
    async with reading(make_app(desk), "/v1/events?group=compute") as reader:
        events = [await reader.event() for _ in range(3)]
        assert [(one.name, bool(one.id)) for one in events[1:]] == [
            ("snapshot", True),
            ("incidents", False),
        ]
