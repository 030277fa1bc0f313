"""The HTTP contract, request by request."""

import pytest
from structlog.testing import capture_logs

from musterd.answers import MemberAnswer
from musterd.errors import RegistryError
from musterd.model import FactsChange, Member, State
from musterd.orders import UNTOLD, Origin
from musterd_coordinator.http import App, make_app
from musterd_coordinator.http.parameters import CAUSES
from tests.http_calls import JSON, ask
from tests.http_desk import DictDesk

HOST = "/v1/groups/compute/members/h1"


@pytest.fixture
def desk() -> DictDesk:
    """Three up in two zones, one down, one left."""
    desk = DictDesk()
    desk.put(Member("compute", "h1", "z1"), Member("compute", "h2", "z1"))
    desk.put(Member("compute", "h3", "z2"))
    desk.put(Member("compute", "h4", "z2"), state=State.DOWN, reason="silent for 60.1 s")
    desk.put(Member("compute", "h5"), state=State.LEFT, reason="said so")
    return desk


@pytest.fixture
def app(desk: DictDesk) -> App:
    """The app over it."""
    return make_app(desk)


async def test_groups_are_counted(app: App) -> None:
    reply = await ask(app, "/v1/groups")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert int(reply.headers["content-length"]) == len(reply.body)
    [group] = reply.json()["groups"]
    assert (group["group"], group["members"], group["states"]["up"]) == ("compute", 5, 3)


async def test_an_answer_says_how_good_it_is(desk: DictDesk, app: App) -> None:
    desk.listen(False, None)
    for target in ("/v1/groups", "/v1/groups/compute", "/v1/groups/compute/members", "/v1/status"):
        answer = (await ask(app, target)).json()
        assert (answer["listening"], answer["staleness"]) == (False, None)
        assert answer["version"] == desk.version


async def test_one_group_is_counted_by_zone(app: App) -> None:
    zones = (await ask(app, "/v1/groups/compute")).json()["zones"]
    assert zones["z2"] == {"unknown": 0, "up": 1, "suspect": 0, "down": 1, "left": 0}


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("", ["h1", "h2", "h3", "h4", "h5"]),
        ("state=down", ["h4"]),
        ("zone=z1", ["h1", "h2"]),
        ("zone=", ["h5"]),
        ("up=false", ["h4", "h5"]),
        ("up=true&zone=z2", ["h3"]),
        ("mark=disabled", []),
        ("after=h3", ["h4", "h5"]),
        ("state=suspect", []),
        ("silent_for=0", ["h1", "h2", "h3", "h4", "h5"]),
        ("silent_for=1e9", []),
    ],
)
async def test_members_are_filtered(app: App, parameters: str, names: list[str]) -> None:
    answer = (await ask(app, f"/v1/groups/compute/members?{parameters}")).json()
    assert [member["member"] for member in answer["members"]] == names
    assert answer["next"] is None


async def test_pages_follow_each_other(app: App) -> None:
    page = (await ask(app, "/v1/groups/compute/members?limit=2")).json()
    assert page["next"] == "h2"
    page = (await ask(app, f"/v1/groups/compute/members?limit=3&after={page['next']}")).json()
    assert [member["member"] for member in page["members"]] == ["h3", "h4", "h5"]
    assert page["next"] is None


@pytest.mark.parametrize(
    ("parameters", "field", "detail"),
    [
        (
            "sate=up",
            "sate",
            (
                "unknown parameter 'sate'; allowed here: state, zone, up, mark, silent_for, match, owner,"
                " cause, sort, order, after, limit"
            ),
        ),
        (
            "silent_for=-1",
            "silent_for",
            "silent_for is '-1'; it must be seconds of silence, or more",
        ),
        (
            "cause=boredom",
            "cause",
            f"cause is 'boredom'; it must be why it last changed, one of {', '.join(CAUSES)}",
        ),
        ("limit=0", "limit", "limit is '0'; it must be a whole number from 1 to 1000"),
        ("limit=1001", "limit", "limit is '1001'; it must be a whole number from 1 to 1000"),
        ("limit=ten", "limit", "limit is 'ten'; it must be a whole number from 1 to 1000"),
        ("limit=", "limit", "limit is ''; it must be a whole number from 1 to 1000"),
        (
            "state=UP",
            "state",
            "state is 'UP'; it must be one of unknown, up, suspect, down, left",
        ),
        ("up=yes", "up", "up is 'yes'; it must be true or false"),
        ("up=null", "up", "up is 'null'; it must be true or false"),
        ("up=true&up=true", "up", "up is given more than once; give it once"),
        ("zone=%ff", None, "the query string must be name=value pairs in UTF-8"),
        ("zone", None, "the query string must be name=value pairs in UTF-8"),
    ],
)
async def test_wrong_parameters_are_refused(
    app: App, parameters: str, field: str | None, detail: str
) -> None:
    reply = await ask(app, f"/v1/groups/compute/members?{parameters}")
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
    problem = reply.json()
    assert (problem["title"], problem["status"]) == ("Bad Request", 400)
    assert (problem.get("field"), problem["detail"]) == (field, detail)


async def test_a_path_without_parameters_refuses_them(app: App) -> None:
    reply = await ask(app, "/v1/status?verbose=1")
    assert reply.json()["detail"] == "unknown parameter 'verbose'; allowed here: none"


async def test_one_member(app: App) -> None:
    answer = (await ask(app, HOST)).json()
    assert list(answer) == list(MemberAnswer.__struct_fields__)
    assert (answer["state"], answer["up"], answer["since"]) == ("up", True, "2026-03-01T12:00:00Z")


async def test_who_is_no_member_is_told_apart_from_an_empty_group(app: App) -> None:
    reply = await ask(app, "/v1/groups/compute/members/h9")
    assert reply.status == 404
    assert reply.json()["detail"] == "no member 'h9' in 'compute', which has 5 members"
    assert (await ask(app, "/v1/groups/network")).status == 404


async def test_a_name_is_decoded_only_within_its_step(app: App) -> None:
    reply = await ask(app, "/v1/groups/compute%2Fmembers%2Fh1")
    assert reply.json()["detail"].startswith("no group 'compute/members/h1'")
    assert (await ask(app, "/v1/groups/%63ompute")).status == 200
    assert (await ask(app, "/v1/groups/%ff")).status == 400


async def test_a_query_gives_verdicts(app: App) -> None:
    reply = await ask(app, "/v1/groups/compute/query", "POST", {"members": ["h1", "h4", "hx"]})
    answer = reply.json()
    assert answer["members"] == {
        "h1": {"up": True, "schedulable": True, "down": False, "state": "up"},
        "h4": {"up": False, "schedulable": False, "down": True, "state": "down"},
    }
    assert answer["not_found"] == ["hx"]


@pytest.mark.parametrize(
    ("body", "status", "field", "detail"),
    [
        (b'{"members": ["a"', 400, None, "the body is not JSON: Input data was truncated"),
        (b'{"members": [!]}', 400, None, "the body is not JSON: invalid character (byte 13)"),
        (b"", 400, None, "the body is not JSON: Input data was truncated"),
        (b'{"members": ["\xff"]}', 400, None, "the body is JSON, but has text that is not UTF-8"),
        (b'{"names": []}', 400, "names", "unknown field 'names'; see /openapi.json for those"),
        (b"{}", 400, None, "Object missing required field members"),
        (b'{"members": ["a", 1]}', 400, "members", "members[1]: Expected str, got int"),
        (b"[]", 400, None, "Expected object, got array"),
    ],
)
async def test_a_wrong_body_is_refused(
    app: App, body: bytes, status: int, field: str | None, detail: str
) -> None:
    reply = await ask(app, "/v1/groups/compute/query", "POST", body, JSON)
    assert (reply.status, reply.json().get("field")) == (status, field)
    assert reply.json()["detail"].startswith(detail)


async def test_a_query_is_bounded(app: App) -> None:
    names = [f"h{number}" for number in range(10_001)]
    reply = await ask(app, "/v1/groups/compute/query", "POST", {"members": names})
    assert reply.status == 400
    assert "ask for at most 10000 at a time" in reply.json()["detail"]
    reply = await ask(app, "/v1/groups/compute/query", "POST", {"members": names[:10_000]})
    assert reply.status == 200


@pytest.mark.parametrize("announced", [{}, {"content-length": str(5 * 1024 * 1024)}])
async def test_a_body_is_bounded(app: App, announced: dict[str, str]) -> None:
    body = b" " * (5 * 1024 * 1024)
    reply = await ask(app, "/v1/groups/compute/query", "POST", body, {**JSON, **announced})
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert "at most 4194304 bytes" in reply.json()["detail"]


@pytest.mark.parametrize("media", [{}, {"content-type": "text/plain"}])
async def test_a_body_must_say_that_it_is_json(app: App, media: dict[str, str]) -> None:
    for method, target in (("POST", "/v1/groups/compute/query"), ("PATCH", HOST)):
        reply = await ask(app, target, method, b'{"members": []}', media)
        assert reply.status == 415
        assert "Content-Type: application/json" in reply.json()["detail"]


async def test_facts_are_changed(app: App) -> None:
    change = {"disabled": True, "reason": "bad disk", "zone": "z9", "metadata": {"rack": "4"}}
    answer = (await ask(app, HOST, "PATCH", change)).json()
    assert (answer["disabled"], answer["disabled_reason"]) == (True, "bad disk")
    assert (answer["up"], answer["schedulable"]) == (True, False)
    assert (answer["zone"], answer["metadata"]) == ("z9", {"rack": "4"})
    again = {"disabled": False, "zone": None, "metadata": None}
    answer = (await ask(app, HOST, "PATCH", again)).json()
    assert (answer["disabled"], answer["disabled_reason"]) == (False, "")
    assert (answer["zone"], answer["metadata"]) == ("z1", {})


@pytest.mark.parametrize(
    ("change", "field", "detail"),
    [
        ({}, None, "nothing to change: give at least one of disabled, forced_down, reason,"),
        ({"reason": "x"}, "reason", "reason is kept with disabled or forced_down"),
        ({"disabled": False, "reason": "x"}, "reason", "reason is kept with disabled or"),
        ({"disabled": "yes"}, "disabled", "disabled: Expected bool, got str"),
        ({"disabled": None}, "disabled", "disabled: Expected bool, got null"),
        ({"enabled": True}, "enabled", "unknown field 'enabled'"),
        ({"zone": "a\nb"}, "zone", "zone 'a\\nb' has control characters"),
        ({"owner": "o" * 256}, "owner", "owner is 256 characters long; at most 255"),
        ({"metadata": {"a b": "c"}}, "metadata", "metadata key name 'a b' is not usable"),
        ({"metadata": {"a": 1}}, "metadata", "metadata[...]: Expected str, got int"),
        ({"forced_down": True, "reason": "r" * 300}, "reason", "reason is 300 characters long"),
    ],
)
async def test_wrong_facts_are_refused_and_change_nothing(
    desk: DictDesk, app: App, change: object, field: str | None, detail: str
) -> None:
    before = desk.member("compute", "h1")
    problem = (await ask(app, HOST, "PATCH", change)).json()
    assert (problem["status"], problem.get("field")) == (400, field)
    assert problem["detail"].startswith(detail)
    assert desk.member("compute", "h1") == before


async def test_a_member_that_is_up_is_forgotten_only_by_force(desk: DictDesk, app: App) -> None:
    assert (await ask(app, HOST, "DELETE")).status == 409
    assert (await ask(app, f"{HOST}?force=maybe", "DELETE")).status == 400
    reply = await ask(app, f"{HOST}?force=true", "DELETE")
    assert (reply.status, reply.body) == (204, b"")
    assert "content-length" not in reply.headers
    assert "content-type" not in reply.headers
    assert (await ask(app, HOST)).status == 404


@pytest.mark.parametrize(
    "mark",
    [{"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-origin"}, {"origin": "http://x"}],
)
async def test_a_browser_may_not_write(desk: DictDesk, app: App, mark: dict[str, str]) -> None:
    before = desk.version
    assert (await ask(app, f"{HOST}?force=true", "DELETE", headers=mark)).status == 403
    assert (await ask(app, HOST, "PATCH", b'{"disabled": true}', {**JSON, **mark})).status == 403
    assert desk.version == before
    assert (await ask(app, HOST, headers=mark)).status == 200


async def test_history_is_bounded_by_its_limit(desk: DictDesk, app: App) -> None:
    desk.put(Member("compute", "h1"), state=State.DOWN, reason="silent")
    changes = (await ask(app, f"{HOST}/history?limit=1")).json()["changes"]
    assert [(change["old"], change["new"]) for change in changes] == [("up", "down")]
    assert len((await ask(app, f"{HOST}/history")).json()["changes"]) == 2
    assert (await ask(app, f"{HOST}/history?limit=1001")).status == 400


async def test_head_is_get_without_its_body(app: App) -> None:
    got, head = await ask(app, HOST), await ask(app, HOST, "HEAD")
    assert head == (200, got.headers, b"")
    assert (await ask(app, "/v1/events", "HEAD")).headers["content-type"] == "text/event-stream"


async def test_what_is_not_there_is_a_problem(app: App) -> None:
    for target in ("/nowhere", "/v1/groups/", "/v1//groups", "/v1"):
        reply = await ask(app, target)
        assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
        assert reply.json()["detail"] == (
            f"there is no {target}; /openapi.json lists the paths there are"
        )


async def test_a_wrong_method_names_the_right_ones(app: App) -> None:
    reply = await ask(app, HOST, "PUT")
    assert (reply.status, reply.headers["allow"]) == (405, "DELETE, GET, PATCH, HEAD")
    assert reply.json()["detail"] == "PUT is not for this path; use DELETE or GET or PATCH"


async def test_readiness_says_why_not(desk: DictDesk, app: App) -> None:
    assert (await ask(app, "/healthz")).body == b"alive\n"
    assert (await ask(app, "/readyz")).body == b"ready\n"
    desk.ready = False
    reply = await ask(app, "/readyz")
    assert reply.status == 503
    assert "has not listened long enough" in reply.json()["detail"]
    assert (await ask(app, "/healthz")).status == 200


class _BrokenDesk(DictDesk):
    def member(self, group: str, member: str) -> MemberAnswer:
        raise ZeroDivisionError("the secret of the coordinator")

    async def change_facts(
        self, group: str, member: str, change: FactsChange, origin: Origin = UNTOLD
    ) -> MemberAnswer:
        raise RegistryError("musterd.db: the disk is full; make room, nothing was changed")


async def test_a_fault_is_logged_and_told_without_its_inside() -> None:
    with capture_logs() as lines:
        reply = await ask(make_app(_BrokenDesk()), HOST)
    assert reply.status == 500
    assert b"secret" not in reply.body
    [line] = lines
    assert (line["event"], line["path"], line["exc_info"]) == ("request failed", HOST, True)


async def test_a_registry_that_fails_is_said() -> None:
    reply = await ask(make_app(_BrokenDesk()), HOST, "PATCH", {"disabled": True})
    assert reply.status == 503
    assert reply.json()["detail"].startswith("musterd.db: the disk is full")


async def test_the_dashboard_keeps_a_token_in_its_tab_and_in_no_cookie(app: App) -> None:
    page = (await ask(app, "/")).body.decode()
    assert 'sessionStorage.getItem("token")' in page
    assert not [word for word in ("cookie =", "localStorage", "EventSource") if word in page]


async def test_the_dashboard_may_load_and_run_nothing_but_itself(app: App) -> None:
    reply = await ask(app, "/")
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'sha256-" in policy
    assert "unsafe" not in policy
    page = reply.body.decode()
    for loading in ("src=", '<link rel="stylesheet', "@import", "innerHTML", "/*STYLE*/"):
        assert loading not in page


async def test_a_page_of_another_order_begins_where_one_ended(app: App) -> None:
    reply = await ask(app, "/v1/groups/compute/members?sort=since&after=h1")
    assert (reply.status, reply.json()["field"]) == (409, "after")
    assert reply.json()["detail"] == "after is 'h1'; it must be the next of the page before"
