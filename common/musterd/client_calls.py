"""What a client asks a coordinator and how it reads the answer: no I/O, shared by all clients."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from musterd.client_choice import Address, Rotation, T, best_informed, is_listening
from musterd.errors import (
    ConfigError,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    NotFound,
    NotReady,
)
from musterd.model import (
    NOT_READY,
    FactsChange,
    GroupAnswer,
    GroupList,
    History,
    Mark,
    MemberAnswer,
    MemberPage,
    ProblemDetails,
    Query,
    QueryAnswer,
    State,
    StatusAnswer,
)
from musterd.urls import without_secret

QUERY_LIMIT = 10_000
PAGE_LIMIT = 1000
_PROBLEM = "application/problem+json"
_ERRORS: dict[int, type[CoordinatorError]] = {404: NotFound, 409: Conflict}
_TRIES = 2  # of one coordinator in one call


def read_addresses(urls: str | Sequence[str]) -> list[Address]:
    """Coordinators by URL, comma separated or a list; ConfigError names a URL that is none."""
    given = urls.split(",") if isinstance(urls, str) else urls
    addresses = [_address(url.strip()) for url in given if url.strip()]
    if not addresses:
        raise ConfigError("no coordinator URL; give one such as http://127.0.0.1:8420")
    return addresses


def _address(url: str) -> Address:
    wrong = ConfigError(
        f"coordinator URL {without_secret(url)!r} is not usable; write http://HOST:PORT,"
        " such as http://127.0.0.1:8420"
    )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong
    if parts.query or parts.fragment or parts.username is not None:
        raise wrong
    default = 443 if parts.scheme == "https" else 80
    return Address(parts.scheme, parts.hostname, port or default, parts.path.rstrip("/"))


class Reply(NamedTuple):
    """What came back; ``run`` tells one run of a coordinator from others, empty: it does not say."""

    status: int
    media: str
    body: bytes
    run: str = ""


class Failure(NamedTuple):
    """Nothing came back. ``stale``: perhaps only because an idle connection had just been closed.

    ``sent``: the request may have arrived, and been done.
    """

    reason: str
    stale: bool = False
    sent: bool = True


class Call(msgspec.Struct, Generic[T], frozen=True):
    """One request and the shape of its answer; ``decode`` turns bytes into it.

    ``gone_is_done``: where an answer was lost, "not found" to the next try says that it was done.
    """

    method: str
    target: str
    decode: Callable[[bytes], T]
    body: bytes | None = None
    gone_is_done: bool = False

    def headers(self) -> list[tuple[str, str]]:
        """The headers, without Host."""
        accept = [("Accept", "application/json, application/problem+json")]
        return accept if self.body is None else [*accept, ("Content-Type", "application/json")]


class Attempt(NamedTuple):
    """Try ``address`` for ``budget`` seconds."""

    address: Address
    budget: float


def attempts(
    call: Call[T], rotation: Rotation, timeout: float, clock: Callable[[], float]
) -> Generator[Attempt, Reply | Failure, T]:
    """Yields what to try and is sent what came of it, until there is an answer to return.

    One that hangs gets its share of ``timeout`` (seconds), so that there is time for the next; all
    tries together get no more than that. Raises CoordinatorUnreachable, or what a coordinator's
    problem stands for. Every call may be made twice without harm, so one that met a closed
    connection is tried again.
    """
    deadline = clock() + timeout
    asking = _Asking(call, rotation)
    order, looks_around = rotation.order(), False
    for position, address in enumerate(order):
        now = clock()
        budget = max(0.0, deadline - now) / (len(order) - position)
        end = now + budget
        for _ in range(_TRIES):
            again = asking.take(address, (yield Attempt(address, budget)))
            budget = end - clock()
            if not again or budget <= 0:
                break
        looks_around = looks_around or (bool(asking.lesser) and rotation.may_look(clock()))
        if asking.is_done or (asking.lesser and not looks_around):
            break
    return asking.answer()


class _Asking(Generic[T]):
    """One call under way: what came of it so far."""

    def __init__(self, call: Call[T], rotation: Rotation) -> None:
        self.is_done = False
        self.lesser: list[tuple[Address, T]] = []  # of coordinators that do not hear their store
        self._call = call
        self._rotation = rotation
        self._best: tuple[Address, T] | None = None
        self._refusals: list[CoordinatorError] = []
        self._failures: list[str] = []
        self._perhaps_done = False

    def take(self, address: Address, outcome: Reply | Failure) -> bool:
        """Note the outcome of one try; whether the same coordinator should be asked again at once."""
        if isinstance(outcome, Failure):
            self._perhaps_done |= outcome.sent
            return self._failed(address, outcome.reason, again=outcome.stale)
        if outcome.status == 503:
            return self._refused(address, outcome)
        answer = self._read(address, outcome)
        if self._rotation.is_older(outcome.run, answer):
            return self._failed(address, "it said less than it had said before", again=True)
        self.is_done = is_listening(answer)
        if self.is_done:
            self._best = address, answer
        else:
            self.lesser.append((address, answer))
        return False

    def answer(self) -> T:
        """The best answer; raises what there is to say if there was none."""
        if self._best is None and self.lesser:
            self._best = best_informed(self.lesser)
        if self._best is not None:
            address, answer = self._best
            self._rotation.answered(address)
            return answer
        if self._refusals:
            raise min(self._refusals, key=lambda error: not isinstance(error, NotReady))
        raise CoordinatorUnreachable(
            f"no answer from {', '.join(self._failures)}; check that a coordinator runs there"
            " (musterd coordinator), or name another one"
        )

    def _read(self, address: Address, reply: Reply) -> T:
        try:
            return read_reply(self._call, reply, address)
        except NotFound:
            if self._call.gone_is_done and self._perhaps_done:
                return self._call.decode(b"")  # by a try whose answer was lost
            self._rotation.answered(address)
            raise
        except CoordinatorError:
            self._rotation.answered(address)
            raise

    def _refused(self, address: Address, reply: Reply) -> bool:
        """It cannot answer now: another one may."""
        if reply.media != _PROBLEM:
            return self._failed(address, "it has too many callers")
        try:
            read_reply(self._call, reply, address)
        except CoordinatorError as error:
            self._refusals.append(error)
        return False

    def _failed(self, address: Address, reason: str, *, again: bool = False) -> bool:
        mark = f"{address} "
        if not self._failures or not self._failures[-1].startswith(mark):
            self._failures.append(f"{mark}({reason})")
        return again


def read_reply(call: Call[T], reply: Reply, address: Address) -> T:
    """The answer in ``reply``; raises the CoordinatorError that it stands for."""
    try:
        if 200 <= reply.status < 300:
            return call.decode(reply.body)
        if reply.media == _PROBLEM:
            problem = msgspec.json.decode(reply.body, type=ProblemDetails)
            raise _error_of(problem, reply.status)
    except msgspec.MsgspecError:
        pass
    raise CoordinatorError(
        f"{address} answered {reply.status} to {call.method} {call.target}, and not as a musterd"
        " coordinator does; check the URL"
    )


def _error_of(problem: ProblemDetails, status: int) -> CoordinatorError:
    if problem.type == NOT_READY:
        return NotReady(problem.detail)
    return _ERRORS.get(status, CoordinatorError)(problem.detail)


def groups() -> Call[GroupList]:
    """All groups."""
    return _get("/v1/groups", GroupList)


def group(group: str) -> Call[GroupAnswer]:
    """One group."""
    return _get(f"/v1/groups/{_step(group)}", GroupAnswer)


def page(
    group: str,
    *,
    state: State | None,
    zone: str | None,
    up: bool | None,
    after: str,
    mark: Mark | None = None,
) -> Call[MemberPage]:
    """One page of members."""
    given = {
        "state": state,
        "zone": zone,
        "up": up,
        "mark": mark,
        "after": after or None,
        "limit": PAGE_LIMIT,
    }
    return _get(f"/v1/groups/{_step(group)}/members{_parameters(given)}", MemberPage)


def next_page(page: MemberPage, after: str) -> str | None:
    """After which name the next page begins, None: there is none; names only ever ascend."""
    if page.next is not None and page.next <= after:
        raise CoordinatorError(
            f"pages of members that do not ascend: {page.next!r} after {after!r}"
        )
    return page.next


def member(group: str, member: str) -> Call[MemberAnswer]:
    """One member."""
    return _get(_member(group, member), MemberAnswer)


def history(group: str, member: str, limit: int) -> Call[History]:
    """The state changes of one member."""
    return _get(f"{_member(group, member)}/history{_parameters({'limit': limit})}", History)


def status() -> Call[StatusAnswer]:
    """The coordinator itself."""
    return _get("/v1/status", StatusAnswer)


def queries(group: str, names: Iterable[str]) -> list[Call[QueryAnswer]]:
    """As many queries as so many names take; at least one."""
    wanted = list(names)
    starts = range(0, max(1, len(wanted)), QUERY_LIMIT)
    return [_query(group, wanted[start : start + QUERY_LIMIT]) for start in starts]


def merged(answers: Sequence[QueryAnswer]) -> QueryAnswer:
    """One answer from several: only as good as the least of them."""
    ages = [answer.staleness for answer in answers]
    known = [age for age in ages if age is not None]
    return QueryAnswer(
        version=min(answer.version for answer in answers),
        listening=all(answer.listening for answer in answers),
        staleness=max(known) if len(known) == len(ages) else None,
        members={name: one for answer in answers for name, one in answer.members.items()},
        not_found=[name for answer in answers for name in answer.not_found],
        facts_age=max((answer.facts_age for answer in answers if answer.facts_age), default=None),
    )


def change_facts(group: str, member: str, change: FactsChange) -> Call[MemberAnswer]:
    """What an operator changes."""
    body = msgspec.json.encode(change)
    return Call("PATCH", _member(group, member), _decoder(MemberAnswer), body)


def forget(group: str, member: str, force: bool) -> Call[None]:
    """Forget a member."""
    target = _member(group, member) + _parameters({"force": force or None})
    return Call("DELETE", target, lambda body: None, gone_is_done=True)


def _get(target: str, shape: type[T]) -> Call[T]:
    return Call("GET", target, _decoder(shape))


def _query(group: str, names: list[str]) -> Call[QueryAnswer]:
    body = msgspec.json.encode(Query(names))
    return Call("POST", f"/v1/groups/{_step(group)}/query", _decoder(QueryAnswer), body)


_decoders: dict[type, Callable[[bytes], Any]] = {}


def _decoder(shape: type[T]) -> Callable[[bytes], T]:
    # Made when first needed: the command line uses one or two of them.
    if shape not in _decoders:
        _decoders[shape] = msgspec.json.Decoder(shape).decode
    return _decoders[shape]


def _step(name: str) -> str:
    return quote(name, safe="")


def _member(group: str, member: str) -> str:
    return f"/v1/groups/{_step(group)}/members/{_step(member)}"


def _parameters(given: Mapping[str, object]) -> str:
    texts = {name: _text(value) for name, value in given.items() if value is not None}
    return f"?{urlencode(texts)}" if texts else ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
