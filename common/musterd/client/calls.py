"""The module has what a client can ask a coordinator, and the shapes of the answers.

It does no I/O, and all clients share it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, TypedDict
from urllib.parse import quote, urlencode

import msgspec

from musterd.answers import (
    GroupAnswer,
    GroupList,
    History,
    HistoryBuckets,
    HistoryPage,
    MemberAnswer,
    MemberPage,
    Query,
    QueryAnswer,
)
from musterd.client.choice import T
from musterd.errors import CoordinatorError
from musterd.incidents import IncidentList
from musterd.model import FactsChange, Mark, SortKey, SortOrder, State
from musterd.orders import GroupOrder, OrderAnswer
from musterd.status import StatusAnswer
from musterd.tokens import NewToken, TokenFacts, TokenList, TokenOrder, check_token

QUERY_LIMIT = 10_000
PAGE_LIMIT = 1000


class Call(msgspec.Struct, Generic[T], frozen=True):
    """A ``Call`` is one request and the shape of its answer; ``decode`` turns bytes into it.

    ``gone_is_done``: where an answer was lost, "not found" to the next try says that it was done.
    """

    method: str
    target: str
    decode: Callable[[bytes], T]
    body: bytes | None = None
    gone_is_done: bool = False

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers, without Host."""
        accept = [("Accept", "application/json, application/problem+json")]
        return accept if self.body is None else [*accept, ("Content-Type", "application/json")]


def login(token: str | None) -> list[tuple[str, str]]:
    """Return the headers that say who asks; raise ConfigError for a ``token`` that is none."""
    return [] if token is None else [("Authorization", f"Bearer {check_token('token', token)}")]


def groups() -> Call[GroupList]:
    """Return the call for all groups."""
    return _get("/v1/groups", GroupList)


def group(group: str) -> Call[GroupAnswer]:
    """Return the call for one group."""
    return _get(f"/v1/groups/{_step(group)}", GroupAnswer)


class Asked(TypedDict, total=False):
    """``Asked`` is what members are asked for; None asks nothing.

    ``match`` is a part of the name, in capitals or not; ``silent_for`` is in seconds, or more; and
    ``cause`` is why it last changed, in the words of musterd_transitions_total. They come by name, in
    ascending order, ``limit`` (1 to 1000) a page.
    """

    state: State | None
    zone: str | None
    up: bool | None
    mark: Mark | None
    silent_for: float | None
    match: str | None
    owner: str | None
    cause: str | None
    sort: SortKey
    order: SortOrder
    limit: int


def page(group: str, asked: Asked, after: str) -> Call[MemberPage]:
    """Return the call for one page of members."""
    given = {**asked, "after": after or None, "limit": asked.get("limit", PAGE_LIMIT)}
    return _get(f"/v1/groups/{_step(group)}/members{_parameters(given)}", MemberPage)


def next_page(page: MemberPage, after: str, asked: Asked) -> str | None:
    """Return the ``after`` of the next page, None: there is none.

    Raises CoordinatorError for one that goes back: such pages have no end.
    """
    if page.next is not None and after and not _goes_on(after, page.next, asked):
        raise CoordinatorError(f"pages of members that go back: {page.next!r} after {after!r}")
    return page.next


def _goes_on(before: str, after: str, asked: Asked) -> bool:
    sort = asked.get("sort", SortKey.NAME)
    backwards = asked.get("order", SortOrder.ASC) is SortOrder.DESC
    if sort is SortKey.NAME:
        return after < before if backwards else after > before
    (first, name), (second, following) = (text.partition(":")[::2] for text in (before, after))
    if first == second:
        return following > name
    return (second < first) == (backwards if sort is SortKey.SINCE else not backwards)


def member(group: str, member: str) -> Call[MemberAnswer]:
    """Return the call for one member."""
    return _get(_member(group, member), MemberAnswer)


def history(group: str, member: str, limit: int) -> Call[History]:
    """Return the call for the state changes of one member."""
    return _get(f"{_member(group, member)}/history{_parameters({'limit': limit})}", History)


class AskedOfHistory(TypedDict, total=False):
    """``AskedOfHistory`` is of whom, and from when to when."""

    group: str | None
    zone: str | None
    since: datetime | None
    until: datetime | None


def history_page(asked: AskedOfHistory, before: str, limit: int) -> Call[HistoryPage]:
    """Return the call for changes of many members."""
    given = {**asked, "before": before or None, "limit": limit}
    return _get(f"/v1/history{_parameters(given)}", HistoryPage)


def next_changes(page: HistoryPage, before: str) -> str | None:
    """Return the ``before`` of the next page, None: there is none.

    Raises CoordinatorError for one that goes back: such pages have no end.
    """
    if page.next is not None and before and _place(page.next) >= _place(before):
        raise CoordinatorError(f"pages of changes that go back: {page.next!r} before {before!r}")
    return page.next


def _place(text: str) -> tuple[int, int]:
    at, _, number = text.partition("-")
    try:
        return int(at), int(number)
    except ValueError:
        raise CoordinatorError(f"{text!r} is no place in the history") from None


def history_buckets(asked: AskedOfHistory, step: int) -> Call[HistoryBuckets]:
    """Return the call that counts changes of many members by time."""
    return _get(f"/v1/history/buckets{_parameters({**asked, 'step': step})}", HistoryBuckets)


def status() -> Call[StatusAnswer]:
    """Return the call for the coordinator's own status."""
    return _get("/v1/status", StatusAnswer)


def incidents() -> Call[IncidentList]:
    """Return the call for what needs attention."""
    return _get("/v1/incidents", IncidentList)


def queries(group: str, names: Iterable[str]) -> list[Call[QueryAnswer]]:
    """Return as many queries as so many names take; at least one."""
    wanted = list(names)
    starts = range(0, max(1, len(wanted)), QUERY_LIMIT)
    return [_query(group, wanted[start : start + QUERY_LIMIT]) for start in starts]


def merged(answers: Sequence[QueryAnswer]) -> QueryAnswer:
    """Make one answer of several: it is only as good as the least of them."""
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
    """Return the call that changes what an operator may change."""
    body = msgspec.json.encode(change)
    return Call("PATCH", _member(group, member), _decoder(MemberAnswer), body)


def orders(group: str, order: GroupOrder) -> Call[OrderAnswer]:
    """Return the call that gives one order for many members. Made twice, it changes nothing more."""
    body = msgspec.json.encode(order)
    return Call("POST", f"/v1/groups/{_step(group)}/orders", _decoder(OrderAnswer), body)


def forget(group: str, member: str, *, force: bool) -> Call[None]:
    """Return the call that forgets a member."""
    target = _member(group, member) + _parameters({"force": force or None})
    return Call("DELETE", target, lambda body: None, gone_is_done=True)


def tokens() -> Call[TokenList]:
    """Return the call for all tokens."""
    return _get("/v1/tokens", TokenList)


def create_token(order: TokenOrder) -> Call[NewToken]:
    """Return the call that makes a token. Made twice, it is refused: the name is taken then."""
    return Call("POST", "/v1/tokens", _decoder(NewToken), msgspec.json.encode(order))


def revoke_token(name: str) -> Call[TokenFacts]:
    """Return the call that lets a token be good for nothing any more."""
    return Call("DELETE", f"/v1/tokens/{_step(name)}", _decoder(TokenFacts))


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
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value).lower() if isinstance(value, bool) else str(value)
