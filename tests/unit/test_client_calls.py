"""What a client asks and how it reads the answer, without a network."""

import math
from collections.abc import Iterator
from contextlib import suppress

import httpcore
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.answers import NOT_READY, MemberPage, QueryAnswer
from musterd.client import calls
from musterd.client.attempts import Failure, HttpReply, attempts
from musterd.client.calls import Asked, Call
from musterd.client.choice import Address, Rotation, T, read_addresses
from musterd.client.network import DeadlineBackend, Deadlines, root_of
from musterd.errors import (
    ConfigError,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    MusterdError,
    NotFound,
    NotReady,
)
from musterd.model import FactsChange, SortKey, SortOrder, State, Verdict

C1, C2 = read_addresses("http://c1:8420, http://c2:8420/")
UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
FINE = HttpReply(200, "application/json", b'{"group": "g", "member": "m", "changes": []}')


def run(
    call: Call[T], *outcomes: HttpReply | Failure, rotation: Rotation | None = None
) -> tuple[T, list[Address]]:
    """The answer, and whom it was asked of, given what comes of each attempt."""
    asked: list[Address] = []
    steps = attempts(call, rotation or Rotation([C1, C2]), 4.0, iter_clock(0.0).__next__)
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


def problem(status: int, detail: str, kind: str = "about:blank") -> HttpReply:
    """What a coordinator says when it refuses."""
    body = {"type": kind, "title": "x", "status": status, "detail": detail}
    return HttpReply(status, "application/problem+json", msgspec.json.encode(body))


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
    filters: Asked = {"state": State.DOWN, "zone": "z 1&2", "up": False, "silent_for": 2.5}
    asked = calls.page("g", filters, "a+b")
    assert asked.target == (
        "/v1/groups/g/members?state=down&zone=z+1%262&up=false&silent_for=2.5&after=a%2Bb&limit=1000"
    )
    everyone = calls.page("g", {}, "")
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
    overloaded = HttpReply(503, "text/plain", b"Service Unavailable")
    assert run(calls.history("g", "m", 5), overloaded, FINE)[1] == [C1, C2]


def answer(
    version: int, run: str = "r", *, listening: bool = True, staleness: float = 0.5
) -> HttpReply:
    """What a coordinator answers to a query."""
    body = msgspec.json.encode(QueryAnswer(version, listening, staleness, {}, []))
    return HttpReply(200, "application/json", body, run)


(QUERY,) = calls.queries("g", [])


def test_one_that_hears_its_store_is_preferred_and_stayed_with() -> None:
    rotation = Rotation([C1, C2])
    deaf, well = answer(1, "a", listening=False), answer(1, "b")
    assert run(QUERY, deaf, well, rotation=rotation)[1] == [C1, C2]
    assert run(QUERY, well, rotation=rotation)[1] == [C2]
    # Nobody else is asked again at once; where all are deaf, the one stays that was.
    later = answer(2, "b", listening=False, staleness=3.0)
    found, asked = run(QUERY, later, rotation=rotation)
    assert (found.version, asked) == (2, [C2])


def test_among_those_that_hear_nothing_a_much_fresher_one_is_taken() -> None:
    old = answer(1, "a", listening=False, staleness=30.0)
    for staleness, taken in ((26.0, C1), (3.0, C2)):
        rotation = Rotation([C1, C2])
        fresher = answer(1, "b", listening=False, staleness=staleness)
        run(QUERY, old, fresher, rotation=rotation)
        assert rotation.order()[0] == taken


def test_an_older_version_of_the_same_run_is_never_given() -> None:
    rotation = Rotation([C1, C2])
    assert run(QUERY, answer(7), rotation=rotation)[0].version == 7
    assert run(QUERY, answer(6), answer(7), rotation=rotation) == (
        QueryAnswer(7, True, 0.5, {}, []),
        [C1, C1],
    )
    found, asked = run(QUERY, answer(5), answer(6), answer(1, "other"), rotation=rotation)
    assert (found.version, asked) == (1, [C1, C1, C2])


@given(st.data())
def test_no_client_goes_back_in_time_and_each_moves_only_for_a_reason(data: st.DataObject) -> None:
    # Coordinators that answer with any version, hear or do not, fail, refuse and restart.
    now, rotation = [0.0], Rotation([C1, C2])
    given_last: dict[str, int] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        steps = attempts(QUERY, rotation, 4.0, lambda: now[0])
        first, reasons, tried = rotation.order()[0], [], 0
        attempt = next(steps)
        try:
            while tried < 20:
                outcome = data.draw(outcomes(attempt.address))
                if attempt.address == first:
                    reasons.append(outcome)
                now[0] += data.draw(st.floats(0, attempt.budget))
                tried += 1
                attempt = steps.send(outcome)
        except StopIteration as done:
            run_of, _, version = str(done.value.not_found[0]).partition(" ")
            assert int(version) >= given_last.get(run_of, 0)
            given_last[run_of] = int(version)
            moved = rotation.order()[0] != first
            assert not moved or any(map(is_no_reason_to_stay, reasons))
        except MusterdError:
            pass
        assert tried <= 4
        now[0] += data.draw(st.floats(0, 5))


def outcomes(address: Address) -> st.SearchStrategy[HttpReply | Failure]:
    """Whatever may come of asking this coordinator."""

    def answered(version: int, restarts: int, listening: bool, staleness: float) -> HttpReply:
        run_of = f"{address.host}-{restarts}"
        told = QueryAnswer(version, listening, staleness, {}, [f"{run_of} {version}"])
        return HttpReply(200, "application/json", msgspec.json.encode(told), run_of)

    return st.one_of(
        st.builds(answered, st.integers(1, 5), st.integers(1, 2), st.booleans(), st.floats(0, 60)),
        st.builds(Failure, st.just("x"), st.booleans()),
        st.just(problem(503, "not yet")),
        st.just(HttpReply(503, "text/plain", b"")),
    )


def is_no_reason_to_stay(outcome: HttpReply | Failure) -> bool:
    """Whether a client may leave a coordinator from which this came."""
    if isinstance(outcome, Failure) or outcome.status == 503:
        return True
    told = msgspec.json.decode(outcome.body, type=QueryAnswer)
    return not told.listening or told.version < 5  # it may have said more before


def test_all_that_are_not_ready_are_one_error_and_one_that_is_answers() -> None:
    not_ready = problem(503, "no sweep yet", NOT_READY)
    assert run(QUERY, not_ready, answer(1))[1] == [C1, C2]
    with pytest.raises(NotReady, match="no sweep yet"):
        run(QUERY, problem(503, "the registry is lost"), not_ready)
    with pytest.raises(NotReady, match="no sweep yet"):
        run(QUERY, Failure("refused"), not_ready)
    with pytest.raises(CoordinatorError, match="registry is lost"):
        run(calls.forget("g", "m", force=False), problem(503, "the registry is lost"), Failure("x"))


def test_not_found_after_an_answer_that_was_lost_means_forgotten() -> None:
    forget, gone = calls.forget("g", "m", force=False), problem(404, "no member 'm'")
    assert run(forget, Failure("hung up", stale=True), gone) == (None, [C1, C1])
    assert run(forget, Failure("no answer within 2 s"), gone) == (None, [C1, C2])
    with pytest.raises(NotFound):
        run(forget, gone)
    with pytest.raises(NotFound):
        run(forget, Failure("connection refused", sent=False), gone)
    with pytest.raises(NotFound):
        run(QUERY, Failure("hung up", stale=True), gone)


@given(st.data(), st.floats(0, 100), st.integers(1, 4))
def test_all_tries_together_take_no_longer_than_the_time_out(
    data: st.DataObject, timeout: float, coordinators: int
) -> None:
    now = 0.0
    addresses = [C1._replace(port=1 + number) for number in range(coordinators)]
    steps = attempts(QUERY, Rotation(addresses), timeout, lambda: now)
    attempt, asked = next(steps), set()
    with suppress(StopIteration, MusterdError):
        while True:
            assert attempt.budget >= 0
            asked.add(attempt.address)
            now += data.draw(st.floats(0, 1)) * attempt.budget  # a transport keeps to its budget
            assert now <= timeout * (1 + 1e-9)
            attempt = steps.send(data.draw(st.builds(Failure, st.just("x"), st.booleans())))
    assert asked == set(addresses)


def test_time_is_shared_among_those_left() -> None:
    now = [0.0]
    steps = attempts(calls.groups(), Rotation([C1, C2]), 4.0, lambda: now[0])
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
        HttpReply(404, "text/html", b"<h1>not found</h1>"),
        HttpReply(404, "application/problem+json", b"{}"),
        HttpReply(200, "text/html", b"<h1>welcome</h1>"),
        HttpReply(200, "application/json", b'{"other": 1}'),
        HttpReply(302, "", b""),
    ],
)
def test_what_is_no_coordinator_is_not_believed(reply: HttpReply) -> None:
    with pytest.raises(CoordinatorError, match="not as a musterd coordinator does") as raised:
        run(calls.member("g", "m"), reply)
    assert type(raised.value) is CoordinatorError  # above all not NotFound
    assert "http://c1:8420 answered" in str(raised.value)


def test_a_clock_that_jumped_leaves_no_negative_budget() -> None:
    steps = attempts(calls.groups(), Rotation([C1]), 1.0, iter([0.0, math.inf]).__next__)
    assert next(steps).budget == 0.0


def test_pages_that_go_back_are_no_answer() -> None:
    page = MemberPage(1, True, 0.5, [], "h2")
    assert calls.next_page(page, "h1", {}) == "h2"
    for after in ("h2", "h3"):
        with pytest.raises(CoordinatorError, match="go back: 'h2' after"):
            calls.next_page(page, after, {})


BACK = {"order": SortOrder.DESC}


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        (BACK, "h2", "h1"),
        ({"sort": SortKey.SINCE}, "01:h9", "02:h1"),
        ({"sort": SortKey.SINCE}, "01:h1", "01:h2"),
        ({"sort": SortKey.SINCE, **BACK}, "02:h1", "01:h9"),
        ({"sort": SortKey.SINCE, **BACK}, "01:h1", "01:h2"),
        ({"sort": SortKey.SILENT}, "02:h1", "01:h9"),
        ({"sort": SortKey.SILENT, **BACK}, "01:h9", "02:h1"),
    ],
)
def test_in_every_order_pages_go_on(asked: Asked, before: str, after: str) -> None:
    def page(following: str) -> MemberPage:
        return MemberPage(1, True, 0.5, [], following)

    assert calls.next_page(page(before), "", asked) == before
    assert calls.next_page(page(after), before, asked) == after
    for again in (before, after):
        with pytest.raises(CoordinatorError, match="go back"):
            calls.next_page(page(before), again, asked)


def test_what_several_attempts_ended_with_began_with_the_first() -> None:
    refused = ConnectionRefusedError(111, "refused")
    assert root_of(ExceptionGroup("no address", [refused, OSError("unreachable")])) is refused


def test_nothing_is_connected_after_a_requests_deadline() -> None:
    deadlines = Deadlines()
    deadlines.set(0.0)
    with pytest.raises(httpcore.ConnectTimeout, match="deadline has passed"):
        DeadlineBackend(deadlines).connect_tcp("127.0.0.1", 1)
