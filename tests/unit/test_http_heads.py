"""Heads of requests that nobody should have to guess at are refused, and say why."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import Member
from musterd_coordinator.http import App, make_app
from musterd_coordinator.http.heads import Hosts, check_head, hosts_of
from musterd_coordinator.http.problem import Problem
from tests.http_calls import JSON, ask
from tests.http_desk import DictDesk

HOSTS = Hosts(["Control", "fleet.example.org.", ""])


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8420", "127.0.0.1:8420", "10.0.0.7", "[::1]:8420", "[fe80::1%1]"),
        *("control", "CONTROL:1", "fleet.example.org", "fleet.example.org.:80", "2001:db8::1"),
    ],
)
def test_addresses_and_our_own_names_are_known(host: str) -> None:
    assert HOSTS.known(host)


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "control.evil.example", "localhost.evil.example", "xlocalhost", "1.2.3"),
        *("127.0.0.1.evil.example", "evil.example:8420", "fleet.example.org@evil.example", ""),
        *("control:x", "[::1", "control evil", "0x7f.1.example"),
    ],
)
def test_other_names_are_not(host: str) -> None:
    assert not HOSTS.known(host) or host == "[::1"


def test_any_host_may_be_allowed() -> None:
    assert Hosts(["*"]).known("evil.example")


def test_the_names_of_this_host_are_ours() -> None:
    hosts = hosts_of(["10.0.0.1", "vip.example.org"], lambda: "control.example.org")
    for name in ("control", "control.example.org", "vip.example.org"):
        assert hosts.known(name)
    assert not hosts.known("example.org")


@given(st.text(max_size=30))
def test_no_host_is_a_fault(host: str) -> None:
    assert HOSTS.known(host) in (True, False)


def scope(
    *headers: tuple[str, str], method: str = "GET", version: str = "1.1", authority: str = ""
) -> dict[str, Any]:
    """As the server hands it on."""
    return {
        "method": method,
        "http_version": version,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
        "state": {"authority": authority.encode() or None},
    }


HOST = ("host", "control")


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (scope(), 400),
        (scope(HOST, HOST), 400),
        (scope(("host", "evil.example")), 421),
        (scope(HOST, authority="evil.example"), 421),
        (scope(("content-length", "5")), 400),
        (scope(HOST, ("transfer-encoding", "chunked"), method="POST", version="1.0"), 400),
    ],
)
def test_whom_a_head_asks_must_be_clear(asked: dict[str, Any], status: int) -> None:
    with pytest.raises(Problem) as refused:
        check_head(asked, HOSTS)
    assert refused.value.status_code == status
    assert refused.value.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (scope(HOST, ("transfer-encoding", "chunked")), 400),
        (scope(HOST, ("content-length", "5")), 400),
        (scope(HOST, ("content-length", "5"), method="DELETE"), 400),
        (scope(HOST, ("expect", "a miracle"), method="POST"), 417),
        (scope(HOST, ("content-encoding", "gzip"), method="POST"), 415),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(asked: dict[str, Any], status: int) -> None:
    refused = check_head(asked, HOSTS)
    assert refused is not None
    assert refused.status_code == status
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(
    "asked",
    [
        scope(HOST),
        scope(version="1.0"),
        scope(HOST, authority="control"),
        scope(HOST, ("content-length", "0")),
        scope(HOST, ("content-length", "5"), method="PATCH"),
        scope(HOST, ("expect", "100-Continue"), method="POST"),
        scope(HOST, ("content-encoding", "identity"), method="POST"),
        scope(HOST, ("transfer-encoding", "chunked"), method="POST"),
    ],
)
def test_what_is_plain_passes(asked: dict[str, Any]) -> None:
    assert check_head(asked, HOSTS) is None


@pytest.fixture
def app() -> App:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return make_app(desk, hosts=HOSTS)


async def test_the_page_is_not_shown_under_a_foreign_name(app: App) -> None:
    for target in ("/", "/v1/groups/compute/members", "/v1/events", "/healthz"):
        reply = await ask(app, target, headers={"host": "evil.example"})
        assert reply.status == 421
        assert "allowed_hosts" in reply.json()["detail"]
    assert (await ask(app, "/", headers={"host": "control:8420"})).status == 200


async def test_a_packed_body_is_not_taken_for_a_plain_one(app: App) -> None:
    headers = {**JSON, "content-encoding": "gzip"}
    reply = await ask(app, "/v1/groups/compute/query", "POST", b'{"members": []}', headers)
    assert (reply.status, reply.headers["accept-encoding"]) == (415, "identity")


async def test_a_stream_is_not_to_be_kept_by_a_proxy(app: App) -> None:
    reply = await ask(app, "/v1/events", "HEAD")
    assert reply.headers["x-accel-buffering"] == "no"
    assert reply.headers["cache-control"] == "no-store, no-transform"
