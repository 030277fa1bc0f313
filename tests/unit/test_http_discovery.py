"""Prometheus is told of the members of a group as its HTTP service discovery takes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.answers import NOT_READY
from musterd.model import Facts, FactsChange, Member, State, Verdict
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.http import make_app
from musterd_coordinator.http.discovery import target_group
from musterd_coordinator.service.contract import MemberSummary
from tests.http_calls import ask
from tests.http_desk import DictDesk
from tests.unit.token_shelf import Door

PATH = "/v1/sd/compute"
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)


def summary(member: Member, verdict: Verdict = UP) -> MemberSummary:
    return MemberSummary(member, verdict, Facts())


async def test_a_member_is_a_target_with_what_is_known_of_it() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1", zone="r1", owner="us", metadata={"cpu-kind": "epyc"}))
    await desk.change_facts("compute", "h1", FactsChange(disabled=True))
    reply = await ask(make_app(desk), f"{PATH}?port=9100")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.json() == [
        {
            "targets": ["h1:9100"],
            "labels": {
                "__meta_musterd_group": "compute",
                "__meta_musterd_member": "h1",
                "__meta_musterd_state": "up",
                "__meta_musterd_up": "true",
                "__meta_musterd_disabled": "true",
                "__meta_musterd_zone": "r1",
                "__meta_musterd_owner": "us",
                "__meta_musterd_metadata_cpu_kind": "epyc",
            },
        }
    ]


@pytest.mark.parametrize(
    ("name", "address", "port", "target"),
    [
        ("h1", "", None, "h1"),
        ("h1", "10.0.0.7", 9100, "10.0.0.7:9100"),
        ("h1", "fd00::7", 9100, "[fd00::7]:9100"),
        ("h1", "[fd00::7]", 9100, "[fd00::7]:9100"),
        ("h1", "h1.example:8080", None, "h1.example:8080"),
    ],
)
def test_where_a_member_is_reached(name: str, address: str, port: int | None, target: str) -> None:
    member = Member("compute", name, metadata={"address": address} if address else {})
    assert target_group(summary(member), port).targets == (target,)


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_labels_are_such_as_prometheus_takes(metadata: dict[str, str]) -> None:
    told = target_group(summary(Member("compute", "h1", metadata=metadata)), 1)
    assert all(name.isascii() and name.isidentifier() for name in told.labels)
    assert all(told.labels.values())


async def test_the_dead_are_told_and_who_said_goodbye_is_not() -> None:
    desk = DictDesk()
    for state in State:
        desk.put(Member("compute", state), state=state)
    told = (await ask(make_app(desk), PATH)).json()
    assert {one["targets"][0] for one in told} == {"unknown", "up", "suspect", "down"}


@pytest.mark.parametrize("count", [1, 999, 1000, 2345])
async def test_all_members_are_told_once(count: int) -> None:
    desk = DictDesk()
    desk.put(*[Member("compute", f"h{number}") for number in range(count)])
    desk.put(Member("storage", "elsewhere"))
    told = (await ask(make_app(desk), PATH)).json()
    assert sorted(one["targets"][0] for one in told) == sorted(f"h{n}" for n in range(count))


async def test_a_list_that_might_not_be_whole_is_an_error() -> None:
    desk = DictDesk()
    assert (await ask(make_app(desk), PATH)).status == 404
    desk.put(Member("compute", "h1"))
    desk.ready = False
    for path in (PATH, "/v1/sd/unheard"):
        reply = await ask(make_app(desk), path)
        assert (reply.status, reply.json()["type"]) == (503, NOT_READY)
    desk.ready = True
    desk.listen(False, 60.0)
    assert (await ask(make_app(desk), PATH)).status == 200


@pytest.mark.parametrize("query", ["port=0", "port=70000", "port=http", "ports=1"])
async def test_a_port_that_is_none_is_refused(query: str) -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    reply = await ask(make_app(desk), f"{PATH}?{query}")
    assert reply.status == 400
    assert "port" in reply.json()["detail"]


async def test_a_token_of_the_group_does() -> None:
    door = Door()
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    app = make_app(desk, door.access)
    statuses = []
    for number, groups in enumerate([("compute",), ("storage",)]):
        made = await door.access.create(TokenOrder(f"t{number}", Rank.READER, groups, None))
        headers = {"authorization": f"Bearer {made.text}"}
        statuses.append((await ask(app, PATH, headers=headers)).status)
    assert [*statuses, (await ask(app, PATH)).status] == [200, 403, 401]
