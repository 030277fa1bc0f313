"""A coordinator that has not heard its store yet never says that something is not there."""

import pytest

from musterd.answers import NOT_READY
from musterd.client.attempts import HttpReply, read_reply
from musterd.client.calls import Call
from musterd.client.choice import Address
from musterd.errors import NotReady
from musterd.model import Member
from musterd_coordinator.http import App, make_app
from tests.http_calls import ask
from tests.http_desk import DictDesk, shard_status

NOBODY = [
    ("/v1/groups/nosuch", "GET", b""),
    ("/v1/groups/nosuch/members", "GET", b""),
    ("/v1/groups/nosuch/members/h1", "GET", b""),
    ("/v1/groups/compute/members/nosuch", "GET", b""),
    ("/v1/groups/compute/members/nosuch/history", "GET", b""),
    ("/v1/groups/compute/members/nosuch", "PATCH", {"disabled": True}),
    ("/v1/groups/compute/members/nosuch", "DELETE", b""),
    ("/v1/groups/nosuch/query", "POST", {"members": ["h1"]}),
    ("/v1/groups/compute/query", "POST", {"members": ["h1", "nosuch"]}),
    ("/v1/events?group=nosuch", "GET", b""),
]


@pytest.fixture
def desk() -> DictDesk:
    """One member that the registry knew, and a store that does not answer."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    desk.shards = [shard_status("mc1:11211", listening=False, reason="connection refused")]
    desk.listen(False, None)
    desk.ready = False
    return desk


@pytest.fixture
def app(desk: DictDesk) -> App:
    return make_app(desk)


@pytest.mark.parametrize(("target", "method", "body"), NOBODY)
async def test_who_is_not_known_is_not_said_to_be_missing(
    app: App, target: str, method: str, body: object
) -> None:
    reply = await ask(app, target, method, body)
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    problem = reply.json()
    assert (problem["type"], problem["status"]) == (NOT_READY, 503)
    assert problem["detail"] == "not ready: not listening to mc1:11211: connection refused"


@pytest.mark.parametrize(("target", "method", "body"), NOBODY)
async def test_once_ready_it_is_not_found(
    desk: DictDesk, app: App, target: str, method: str, body: object
) -> None:
    desk.ready = True
    partly = "compute/query" in target  # one of the names is known
    assert (await ask(app, target, method, body)).status == (200 if partly else 404)


@pytest.mark.parametrize(
    "target", ["/v1/groups/compute", "/v1/groups/compute/members/h1", "/v1/groups", "/v1/status"]
)
async def test_who_is_known_is_answered_for(app: App, target: str) -> None:
    assert (await ask(app, target)).status == 200


@pytest.mark.parametrize("target", ["/v1/groups", "/v1/events"])
async def test_an_empty_roll_is_no_answer_yet(target: str) -> None:
    desk = DictDesk()
    desk.ready = False
    reply = await ask(make_app(desk), target)
    assert (reply.status, reply.json()["type"]) == (503, NOT_READY)
    assert "has not listened long enough" in reply.json()["detail"]


async def test_how_it_is_doing_is_always_answered() -> None:
    desk = DictDesk()
    desk.ready = False
    for target in ("/v1/status", "/metrics", "/healthz", "/", "/openapi.json"):
        assert (await ask(make_app(desk), target)).status == 200


async def test_a_client_is_told_apart_what_is_not_ready(app: App) -> None:
    reply = await ask(app, "/v1/groups/nosuch")
    call = Call("GET", "/v1/groups/nosuch", bytes)
    with pytest.raises(NotReady, match="connection refused"):
        read_reply(
            call,
            HttpReply(reply.status, reply.headers["content-type"], reply.body),
            Address("http", "c1", 8420, ""),
        )
