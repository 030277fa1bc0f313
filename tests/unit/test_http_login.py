"""Over HTTP a token lets its holder in, to what its role does and in its groups, and nobody else."""

import json

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd.model import Member, State
from musterd.orders import Origin
from musterd.testing.busy import in_time
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.http import make_app
from tests.examples import examples
from tests.http_calls import Reader, Reply, ask, reading
from tests.http_desk import DictDesk
from tests.unit.token_shelf import Door

HOST, OTHER = "/v1/groups/compute/members/h1", "/v1/groups/storage/members/s1"
QUESTIONS = (
    *("/v1/groups", "/v1/groups/compute", "/v1/groups/compute/members", HOST, f"{HOST}/history"),
    *("/v1/status", "/metrics", "/openapi.json"),
)
OPEN = ("/healthz", "/readyz", "/")
QUERY = {"members": ["h1"]}


class Api:
    """An API of two groups behind a door, and a clock for what is logged."""

    def __init__(self, *, anonymous_read: bool = False) -> None:
        self.door = Door()
        self.desk = DictDesk()
        self.desk.put(Member("compute", "h1"), Member("storage", "s1"))
        self.app = make_app(self.desk, self.door.access, anonymous_read=anonymous_read)

    async def token(self, rank: Rank, *groups: str, days: float | None = None) -> str:
        name = f"{rank}{len(self.door.shelf.kept)}"
        made = await self.door.access.create(TokenOrder(name, rank, groups, days))
        return made.text

    async def status(
        self, token: str | None, target: str, method: str = "GET", body: object = b""
    ) -> int:
        return (await self.ask(token, target, method, body)).status

    async def ask(
        self, token: str | None, target: str, method: str = "GET", body: object = b""
    ) -> Reply:
        login = {} if token is None else {"authorization": f"Bearer {token}"}
        shape = {} if body == b"" else {"content-type": "application/json"}
        return await ask(self.app, target, method, body, {**login, **shape})


@pytest.fixture
def api() -> Api:
    return Api()


async def test_without_any_token_all_is_open(api: Api) -> None:
    for target in (*QUESTIONS, *OPEN, "/v1/tokens"):
        assert await api.status(None, target) == 200, target
    assert await api.status(None, HOST, "PATCH", {"disabled": True}) == 200
    assert await api.status(None, f"{HOST}?force=true", "DELETE") == 204


async def test_from_the_first_token_on_one_is_asked_for(api: Api) -> None:
    reader = await api.token(Rank.READER)
    for target in (*QUESTIONS, "/v1/events"):
        reply = await api.ask(None, target)
        assert reply.status == 401, target
        assert reply.headers["www-authenticate"] == 'Bearer realm="musterd"'
        assert reply.headers["content-type"] == "application/problem+json"
        assert "takes a token with the role reader" in reply.json()["detail"]
    assert await api.status(None, "/v1/groups/compute/query", "POST", QUERY) == 401
    assert await api.status(reader, "/v1/groups/compute/query", "POST", QUERY) == 200
    for target in QUESTIONS:
        assert await api.status(reader, target) == 200, target
    for target in OPEN:
        assert await api.status(None, target) == 200, target
        assert await api.status("no token", target) == 200, target


async def test_the_last_token_that_is_revoked_opens_no_door(api: Api) -> None:
    token = await api.token(Rank.ADMIN)
    assert await api.status(token, "/v1/tokens/admin0", "DELETE") == 200
    assert await api.status(None, "/v1/groups") == 401
    reply = await api.ask(token, "/v1/groups")
    assert (reply.status, reply.json()["detail"]) == (401, "the token admin0 was revoked")


async def test_a_token_that_is_wrong_or_expired_is_told_so(api: Api) -> None:
    token = await api.token(Rank.READER, days=1)
    wrong = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    reply = await api.ask(wrong, "/v1/groups")
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="musterd", error="invalid_token"'
    assert wrong[12:] not in reply.body.decode()
    api.door.go_on(2 * 86400)
    reply = await api.ask(token, "/v1/groups")
    assert reply.status == 401
    assert "expired at" in reply.json()["detail"]


@pytest.mark.parametrize("rank", list(Rank))
async def test_each_role_does_its_own_and_says_which_one_is_missing(api: Api, rank: Rank) -> None:
    token = await api.token(rank)
    asked: list[tuple[Rank, str, str, object]] = [
        (Rank.READER, HOST, "GET", b""),
        (Rank.OPERATOR, HOST, "PATCH", {"disabled": True}),
        (Rank.ADMIN, f"{HOST}?force=true", "DELETE", b""),
        (Rank.ADMIN, "/v1/tokens", "GET", b""),
    ]
    for needed, target, method, body in asked:
        reply = await api.ask(token, target, method, body)
        if rank.covers(needed):
            assert reply.status < 300, target
        else:
            assert reply.status == 403, target
            missing = Rank.OPERATOR if rank is Rank.READER and method == "DELETE" else needed
            detail = f"this takes the role {missing}, and the token {rank}0 has the role {rank}"
            assert reply.json()["detail"] == detail


async def test_an_operator_forgets_who_is_down_and_an_admin_anybody(api: Api) -> None:
    operator = await api.token(Rank.OPERATOR)
    assert await api.status(operator, HOST, "DELETE") == 409
    assert await api.status(operator, f"{HOST}?force=true", "DELETE") == 403
    api.desk.put(Member("compute", "h1"), state=State.DOWN)
    assert await api.status(operator, HOST, "DELETE") == 204


async def test_a_token_of_a_group_sees_and_orders_that_alone(api: Api) -> None:
    token = await api.token(Rank.OPERATOR, "compute")
    groups = (await api.ask(token, "/v1/groups")).json()["groups"]
    assert [one["group"] for one in groups] == ["compute"]
    assert await api.status(token, HOST) == 200
    assert await api.status(token, HOST, "PATCH", {"disabled": True}) == 200
    assert await api.status(token, "/openapi.json") == 200
    elsewhere = ("/v1/groups/storage", "/v1/groups/storage/members", OTHER, f"{OTHER}/history")
    for target in (*elsewhere, "/v1/groups/no-such-group", "/v1/events?group=storage"):
        reply = await api.ask(token, target)
        assert reply.status == 403, target
        assert reply.json()["detail"].endswith("the token operator0 is for compute alone")
    for target in ("/v1/status", "/metrics"):
        reply = await api.ask(token, target)
        assert (reply.status, "tells of all groups" in reply.json()["detail"]) == (403, True)
    assert await api.status(token, "/v1/groups/storage/query", "POST", QUERY) == 403
    assert await api.status(token, OTHER, "PATCH", {"disabled": True}) == 403
    assert await api.status(token, OTHER, "DELETE") == 403


async def test_a_token_of_a_group_without_members_sees_none(api: Api) -> None:
    token = await api.token(Rank.READER, "network")
    assert (await api.ask(token, "/v1/groups")).json()["groups"] == []
    api.desk.ready = False
    assert await api.status(token, "/v1/groups") == 503


async def test_events_are_of_the_groups_of_a_token(api: Api) -> None:
    one, two = await api.token(Rank.READER, "compute"), await api.token(Rank.READER, "a", "b")
    login = {"authorization": f"Bearer {one}"}
    async with reading(api.app, "/v1/events", login) as reader:
        name, data = await reader.next()
        assert (name, list(data["groups"])) == ("snapshot", ["compute"])
    reply = await api.ask(two, "/v1/events")
    assert (reply.status, "is for a, b alone" in reply.json()["detail"]) == (403, True)


async def test_a_stream_ends_when_its_token_is_revoked() -> None:
    api = Api()
    app = make_app(api.desk, api.door.access, ping_period=0.05)
    token = await api.token(Rank.READER)
    login = {"authorization": f"Bearer {token}"}
    with in_time(20):
        async with reading(app, "/v1/events", login) as reader, anyio.create_task_group() as tasks:
            await reader.next()
            tasks.start_soon(_drain, reader)
            await api.door.access.revoke("reader0")
            await reader.ended.wait()
            tasks.cancel_scope.cancel()


async def _drain(reader: Reader) -> None:
    while True:
        await reader.event()


async def test_where_questions_are_open_orders_are_not() -> None:
    api = Api(anonymous_read=True)
    await api.token(Rank.OPERATOR)
    for target in QUESTIONS:
        assert await api.status(None, target) == 200, target
        assert await api.status("wrong", target) == 401, target
    assert await api.status(None, HOST, "PATCH", {"disabled": True}) == 401
    assert await api.status(None, HOST, "DELETE") == 401
    assert await api.status(None, "/v1/tokens") == 401


async def test_an_admin_makes_and_revokes_tokens(api: Api) -> None:
    admin = await api.token(Rank.ADMIN)
    order = {"name": "ci", "role": "operator", "groups": ["compute"], "days": 90}
    reply = await api.ask(admin, "/v1/tokens", "POST", order)
    assert reply.status == 200
    made = reply.json()
    assert made["token"]["created_by"] == "admin0"
    assert await api.status(made["text"], HOST, "PATCH", {"disabled": True}) == 200
    tokens = (await api.ask(admin, "/v1/tokens")).json()["tokens"]
    assert [one["name"] for one in tokens] == ["admin0", "ci"]
    assert made["text"][12:] not in json.dumps(tokens)
    assert await api.status(admin, "/v1/tokens", "POST", order) == 409
    assert await api.status(admin, "/v1/tokens", "POST", {**order, "name": "a b"}) == 400
    assert await api.status(admin, "/v1/tokens/ci", "DELETE") == 200
    api.desk.ready = False
    assert await api.status(admin, "/v1/tokens/other", "DELETE") == 404
    assert await api.status(made["text"], HOST) == 401


async def test_an_order_says_who_gave_it_and_its_answer_which_one_it_was(api: Api) -> None:
    token = await api.token(Rank.OPERATOR)
    login = {"authorization": f"bearer {token}", "content-type": "application/json"}
    given = {**login, "x-request-id": "change-4711"}
    reply = await ask(api.app, HOST, "PATCH", b'{"disabled":true}', given, caller="10.0.0.7")
    assert reply.headers["x-request-id"] == "change-4711"
    odd = {**login, "x-request-id": "a\x1b[2Jb"}
    reply = await ask(api.app, HOST, "PATCH", b'{"disabled":false}', odd, caller="fd00::7")
    made = reply.headers["x-request-id"]
    assert len(made) == 16
    assert api.desk.origins == [
        Origin("operator0", "10.0.0.7", "change-4711"),
        Origin("operator0", "fd00::7", made),
    ]
    assert "x-request-id" in (await ask(api.app, HOST, "PATCH", b"{}")).headers  # a refused one too


async def test_on_an_open_door_an_order_is_anonymous(api: Api) -> None:
    await ask(api.app, HOST, "PATCH", {"disabled": True})
    assert api.desk.origins[0][:2] == ("anonymous", "127.0.0.1")


async def test_refusals_are_counted_and_have_few_lines(api: Api) -> None:
    operator, admin = await api.token(Rank.OPERATOR, "storage"), await api.token(Rank.ADMIN)
    with capture_logs() as lines:
        for _ in range(5):
            await api.status(None, HOST)
        await api.status(operator, HOST)
        await api.status(operator, "/v1/tokens")
        await ask(api.app, HOST, caller="10.0.0.9")
        for number in range(200):
            await ask(api.app, HOST, caller=f"10.1.0.{number}")
    assert [(line["event"], line["reason"], line["address"]) for line in lines[:2]] == [
        ("request refused", "missing", "127.0.0.1"),
        ("request refused", "missing", "10.0.0.9"),
    ]
    assert len(lines) == 100
    page = (await api.ask(admin, "/metrics")).body.decode()
    for reason, count in (
        ("missing", 206),
        ("group", 1),
        ("role", 1),
        ("expired", 0),
    ):
        assert f'musterd_requests_refused_total{{reason="{reason}"}} {count}.0\n' in page


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic dXNlcjpwdw==", "Bearer mt_", "mt_0123abcd_x", "\xff\xfe"],
)
async def test_whatever_is_sent_in_place_of_a_token_is_refused(api: Api, header: str) -> None:
    await api.token(Rank.READER)
    assert (await ask(api.app, HOST, headers={"authorization": header})).status == 401


@given(
    header=st.text(st.characters(max_codepoint=255), max_size=80)
    | st.from_regex(r"[Bb]earer[ \t]+(mt_)?[0-9a-f]{0,9}_[\x20-\xff]{0,50}", fullmatch=True),
    method=st.sampled_from(["GET", "HEAD", "PATCH", "DELETE"]),
    target=st.sampled_from([HOST, "/v1/groups", "/v1/tokens", "/metrics", "/v1/events"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(200))
async def test_no_header_is_a_fault(header: str, method: str, target: str) -> None:
    api = Api()
    await api.token(Rank.READER)
    with capture_logs():
        reply = await ask(api.app, target, method, headers={"authorization": header})
    assert reply.status in (401, 405)
