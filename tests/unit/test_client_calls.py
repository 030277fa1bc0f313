"""What a client asks and how it reads the answer, without a network."""

import math
from collections.abc import Iterator

import msgspec
import pytest

from musterd import client_calls as calls
from musterd.client_calls import Address, Call, Failure, Reply, Rotation, T, read_addresses
from musterd.errors import (
    ConfigError,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    NotFound,
)
from musterd.model import FactsChange, QueryAnswer, State, Verdict

C1, C2 = read_addresses("http://c1:8420, http://c2:8420/")
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
FINE = Reply(200, "application/json", b'{"group": "g", "member": "m", "changes": []}')


def run(
    call: Call[T], *outcomes: Reply | Failure, rotation: Rotation | None = None
) -> tuple[T, list[Address]]:
    """The answer, and whom it was asked of, given what comes of each attempt."""
    asked: list[Address] = []
    steps = calls.attempts(call, rotation or Rotation([C1, C2]), 4.0, iter_clock(0.0).__next__)
    attempt = next(steps)
    try:
        for outcome in outcomes:
            asked.append(attempt.address)
            attempt = steps.send(outcome)
    except StopIteration as done:
        return done.value, asked
    raise AssertionError("it wants more attempts")


def iter_clock(now: float) -> Iterator[float]:
    """A clock that stands."""
    while True:
        yield now


def problem(status: int, detail: str) -> Reply:
    """What a coordinator says when it refuses."""
    body = {"type": "about:blank", "title": "x", "status": status, "detail": detail}
    return Reply(status, "application/problem+json", msgspec.json.encode(body))


def test_addresses_are_read_from_text_or_list() -> None:
    assert read_addresses("http://c1:8420") == [Address("http", "c1", 8420, "")]
    assert read_addresses(["https://[::1]:1/up/", "http://c2"]) == [
        Address("https", "::1", 1, "/up"),
        Address("http", "c2", 80, ""),
    ]
    assert str(read_addresses("https://[::1]:1/up/")[0]) == "https://[::1]:1/up"


@pytest.mark.parametrize(
    "url",
    ["c1:8420", "ftp://c1", "http://", "http://c1:port", "http://c1:99999", "http://c1/?a=b",
     "http://[::1", "http://user:hunter2@c1:8420"],
)  # fmt: skip
def test_what_is_no_url_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(ConfigError, match="write http://HOST:PORT") as refused:
        read_addresses(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("urls", ["", " , ", []])
def test_no_url_at_all_is_refused(urls: str | list[str]) -> None:
    with pytest.raises(ConfigError, match="no coordinator URL"):
        read_addresses(urls)


def test_names_and_filters_become_one_target() -> None:
    assert calls.member("g/1", "a b?").target == "/v1/groups/g%2F1/members/a%20b%3F"
    asked = calls.page("g", state=State.DOWN, zone="z 1&2", up=False, after="a+b")
    assert asked.target == (
        "/v1/groups/g/members?state=down&zone=z+1%262&up=false&after=a%2Bb&limit=1000"
    )
    everyone = calls.page("g", state=None, zone=None, up=None, after="")
    assert everyone.target == "/v1/groups/g/members?limit=1000"
    assert calls.forget("g", "m", force=False).target == "/v1/groups/g/members/m"
    assert calls.forget("g", "m", force=True).target == "/v1/groups/g/members/m?force=true"


def test_only_what_is_given_is_changed() -> None:
    call = calls.change_facts("g", "m", FactsChange(disabled=False, zone=None))
    assert (call.method, call.body) == ("PATCH", b'{"disabled":false,"zone":null}')


def test_a_big_query_is_split_and_merged() -> None:
    names = [f"h{number}" for number in range(25_000)]
    assert [len(msgspec.json.decode(one.body or b"")["members"]) for one in
            calls.queries("g", names)] == [10_000, 10_000, 5_000]  # fmt: skip
    assert len(calls.queries("g", [])) == 1
    whole = calls.merged(
        [
            QueryAnswer(7, True, 0.5, {"a": UP}, ["x"]),
            QueryAnswer(6, False, 2.5, {"b": UP}, []),
        ]
    )
    assert whole == QueryAnswer(6, False, 2.5, {"a": UP, "b": UP}, ["x"])
    never = QueryAnswer(6, False, None, {}, [])
    assert calls.merged([QueryAnswer(7, True, 0.5, {}, []), never]).staleness is None


def test_the_first_that_answers_is_asked_first_from_then_on() -> None:
    rotation = Rotation([C1, C2])
    call = calls.history("g", "m", 5)
    assert run(call, Failure("refused"), FINE, rotation=rotation)[1] == [C1, C2]
    assert run(call, FINE, rotation=rotation)[1] == [C2]
    assert run(call, Failure("refused"), FINE, rotation=rotation)[1] == [C2, C1]


def test_a_connection_that_was_closed_meanwhile_is_tried_again() -> None:
    call = calls.history("g", "m", 5)
    stale = Failure("closed", stale=True)
    assert run(call, stale, FINE)[1] == [C1, C1]
    assert run(call, stale, stale, FINE)[1] == [C1, C1, C2]


def test_one_that_is_overloaded_is_passed_over() -> None:
    overloaded = Reply(503, "text/plain", b"Service Unavailable")
    assert run(calls.history("g", "m", 5), overloaded, FINE)[1] == [C1, C2]


def test_time_is_shared_among_those_left() -> None:
    now = [0.0]
    steps = calls.attempts(calls.groups(), Rotation([C1, C2]), 4.0, lambda: now[0])
    assert next(steps).budget == 2.0
    now[0] = 2.0
    assert steps.send(Failure("no answer within 2 s")).budget == 2.0
    now[0] = 4.5
    with pytest.raises(CoordinatorUnreachable) as unreachable:
        steps.send(Failure("connection refused"))
    assert str(unreachable.value) == (
        "no answer from http://c1:8420 (no answer within 2 s), http://c2:8420 (connection refused);"
        " check that a coordinator runs there (musterd coordinator), or name another one"
    )


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (409, Conflict), (400, CoordinatorError), (500, CoordinatorError)]
)  # fmt: skip
def test_a_problem_is_raised_in_the_coordinators_words(
    status: int, kind: type[CoordinatorError]
) -> None:
    with pytest.raises(kind) as raised:
        run(calls.groups(), problem(status, "no member 'x'"))
    assert type(raised.value) is kind
    assert str(raised.value) == "no member 'x'"


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, "text/html", b"<h1>not found</h1>"),
        Reply(404, "application/problem+json", b"{}"),
        Reply(200, "text/html", b"<h1>welcome</h1>"),
        Reply(200, "application/json", b'{"other": 1}'),
        Reply(302, "", b""),
    ],
)
def test_what_is_no_coordinator_is_not_believed(reply: Reply) -> None:
    with pytest.raises(CoordinatorError, match="not as a musterd coordinator does") as raised:
        run(calls.member("g", "m"), reply)
    assert type(raised.value) is CoordinatorError  # above all not NotFound
    assert "http://c1:8420 answered" in str(raised.value)


def test_a_clock_that_jumped_leaves_no_negative_budget() -> None:
    steps = calls.attempts(calls.groups(), Rotation([C1]), 1.0, iter([0.0, math.inf]).__next__)
    assert next(steps).budget == 0.0
