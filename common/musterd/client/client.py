"""The module calls coordinators from plain code and from coroutines."""

import time
from collections.abc import AsyncIterator, Generator, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self, Unpack

import anyio

from musterd.answers import (
    GroupAnswer,
    GroupList,
    History,
    HistoryBuckets,
    MemberAnswer,
    MemberPage,
    QueryAnswer,
)
from musterd.client import calls
from musterd.client.attempts import Attempt, Failure, HttpReply, attempts
from musterd.client.calls import Asked, AskedOfHistory, Call
from musterd.client.choice import Rotation, T, read_addresses, tls_for
from musterd.incidents import IncidentList
from musterd.model import FactsChange, Transition
from musterd.orders import GroupOrder, OrderAnswer
from musterd.status import StatusAnswer
from musterd.tls import client_tls_of
from musterd.tokens import NewToken, TokenFacts, TokenList, TokenOrder

_Steps = Generator[Attempt, HttpReply | Failure, T]


class Client:
    """A ``Client`` calls coordinators from plain code; threads may share one.

    ``urls`` is one URL, several with commas, or a list: they are tried in turn, beginning with the
    one that answered last. ``token`` is what ``musterd token create`` printed, where they ask for one.
    For ``https://`` an authority of ``ca_file`` must have signed the coordinator's certificate, one
    that the system trusts where that is None; ``cert_file`` and ``key_file`` are shown to a
    coordinator that asks for a certificate. All are in PEM.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        timeout: float = 5.0,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
    ) -> None:
        from musterd.client.transport import PlainTransport

        addresses = read_addresses(urls)
        self._rotation = Rotation(addresses)
        self._timeout = timeout
        tls = client_tls_of(ca_file, cert_file, key_file)
        self._transport = PlainTransport(token, tls_for(addresses, tls))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; the next call opens new ones."""
        self._transport.close()

    def groups(self) -> GroupList:
        """Return all groups."""
        return self._call(calls.groups())

    def group(self, group: str) -> GroupAnswer:
        """Return one group, counted by state and zone."""
        return self._call(calls.group(group))

    def pages(self, group: str, **asked: Unpack[Asked]) -> Iterator[MemberPage]:
        """Yield members, 1000 at a time; each page says how good it is."""
        after: str | None = ""
        while after is not None:
            page = self._call(calls.page(group, asked, after))
            yield page
            after = calls.next_page(page, after, asked)

    def members(self, group: str, **asked: Unpack[Asked]) -> Iterator[MemberAnswer]:
        """Yield the members that are ``asked`` for; fetch pages as the iteration goes on."""
        for page in self.pages(group, **asked):
            yield from page.members

    def member(self, group: str, member: str) -> MemberAnswer:
        """Return one member."""
        return self._call(calls.member(group, member))

    def query(self, group: str, names: Iterable[str]) -> QueryAnswer:
        """Return verdicts on the named members, any number of them."""
        return calls.merged([self._call(query) for query in calls.queries(group, names)])

    def change_facts(self, group: str, member: str, change: FactsChange) -> MemberAnswer:
        """Change durably what an operator may change; return the member as it is then."""
        return self._call(calls.change_facts(group, member, change))

    def orders(self, group: str, order: GroupOrder) -> OrderAnswer:
        """Give one order for many members, all at once; raise Conflict where it was not expected so."""
        return self._call(calls.orders(group, order))

    def forget(self, group: str, member: str, *, force: bool = False) -> None:
        """Forget a member; raise Conflict while it is up, unless ``force``."""
        self._call(calls.forget(group, member, force=force))

    def history(self, group: str, member: str, *, limit: int = 100) -> History:
        """Return the newest ``limit`` (1 to 1000) state changes, newest first."""
        return self._call(calls.history(group, member, limit))

    def changes(
        self, *, limit: int | None = None, **asked: Unpack[AskedOfHistory]
    ) -> Iterator[Transition]:
        """Yield changes and orders of many members, the newest ``limit``, newest first.

        Without a ``group`` they are of all that one may see. Pages are fetched as the iteration goes on.
        """
        before: str | None = ""
        left = limit
        while before is not None and left != 0:
            most = calls.PAGE_LIMIT if left is None else min(left, calls.PAGE_LIMIT)
            page = self._call(calls.history_page(asked, before, most))
            yield from page.changes
            left = None if left is None else max(0, left - len(page.changes))
            before = calls.next_changes(page, before)

    def change_counts(self, step: int, **asked: Unpack[AskedOfHistory]) -> HistoryBuckets:
        """Count changes of state by ``step`` seconds: of the last hour, without a ``since``."""
        return self._call(calls.history_buckets(asked, step))

    def status(self) -> StatusAnswer:
        """Return the status of the coordinator that answers, and of its shards."""
        return self._call(calls.status())

    def incidents(self) -> IncidentList:
        """Return what needs attention, the worst first, as the coordinator that answers sees it."""
        return self._call(calls.incidents())

    def tokens(self) -> TokenList:
        """Return all tokens, without their secrets; only an admin may ask."""
        return self._call(calls.tokens())

    def create_token(self, order: TokenOrder) -> NewToken:
        """Make a token, whose text is told this once; raise Conflict if its name is taken."""
        return self._call(calls.create_token(order))

    def revoke_token(self, name: str) -> TokenFacts:
        """Let a token be good for nothing any more."""
        return self._call(calls.revoke_token(name))

    def _call(self, call: Call[T]) -> T:
        steps: _Steps[T] = attempts(call, self._rotation, self._timeout, time.monotonic)
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(self._transport.attempt(call, attempt))
        except StopIteration as done:
            answer: T = done.value
            return answer


class AsyncClient:
    """An ``AsyncClient`` is a :class:`Client` for async code, on asyncio or trio.

    Use it in one event loop.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        timeout: float = 5.0,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
    ) -> None:
        from musterd.client.transport import AsyncTransport

        addresses = read_addresses(urls)
        self._rotation = Rotation(addresses)
        self._timeout = timeout
        tls = client_tls_of(ca_file, cert_file, key_file)
        self._transport = AsyncTransport(token, tls_for(addresses, tls))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections; the next call opens new ones."""
        await self._transport.aclose()

    async def groups(self) -> GroupList:
        """Return all groups."""
        return await self._call(calls.groups())

    async def group(self, group: str) -> GroupAnswer:
        """Return one group, counted by state and zone."""
        return await self._call(calls.group(group))

    async def pages(self, group: str, **asked: Unpack[Asked]) -> AsyncIterator[MemberPage]:
        """Yield members, 1000 at a time; each page says how good it is."""
        after: str | None = ""
        while after is not None:
            page = await self._call(calls.page(group, asked, after))
            yield page
            after = calls.next_page(page, after, asked)

    async def members(self, group: str, **asked: Unpack[Asked]) -> AsyncIterator[MemberAnswer]:
        """Yield the members that are ``asked`` for; fetch pages as the iteration goes on."""
        async for page in self.pages(group, **asked):
            for member in page.members:
                yield member

    async def member(self, group: str, member: str) -> MemberAnswer:
        """Return one member."""
        return await self._call(calls.member(group, member))

    async def query(self, group: str, names: Iterable[str]) -> QueryAnswer:
        """Return verdicts on the named members, any number of them."""
        return calls.merged([await self._call(query) for query in calls.queries(group, names)])

    async def change_facts(self, group: str, member: str, change: FactsChange) -> MemberAnswer:
        """Change durably what an operator may change; return the member as it is then."""
        return await self._call(calls.change_facts(group, member, change))

    async def orders(self, group: str, order: GroupOrder) -> OrderAnswer:
        """Give one order for many members, all at once; raise Conflict where it was not expected so."""
        return await self._call(calls.orders(group, order))

    async def forget(self, group: str, member: str, *, force: bool = False) -> None:
        """Forget a member; raise Conflict while it is up, unless ``force``."""
        await self._call(calls.forget(group, member, force=force))

    async def history(self, group: str, member: str, *, limit: int = 100) -> History:
        """Return the newest ``limit`` (1 to 1000) state changes, newest first."""
        return await self._call(calls.history(group, member, limit))

    async def changes(
        self, *, limit: int | None = None, **asked: Unpack[AskedOfHistory]
    ) -> AsyncIterator[Transition]:
        """Yield changes and orders of many members, the newest ``limit``, newest first.

        Without a ``group`` they are of all that one may see. Pages are fetched as the iteration goes on.
        """
        before: str | None = ""
        left = limit
        while before is not None and left != 0:
            most = calls.PAGE_LIMIT if left is None else min(left, calls.PAGE_LIMIT)
            page = await self._call(calls.history_page(asked, before, most))
            for change in page.changes:
                yield change
            left = None if left is None else max(0, left - len(page.changes))
            before = calls.next_changes(page, before)

    async def change_counts(self, step: int, **asked: Unpack[AskedOfHistory]) -> HistoryBuckets:
        """Count changes of state by ``step`` seconds: of the last hour, without a ``since``."""
        return await self._call(calls.history_buckets(asked, step))

    async def status(self) -> StatusAnswer:
        """Return the status of the coordinator that answers, and of its shards."""
        return await self._call(calls.status())

    async def incidents(self) -> IncidentList:
        """Return what needs attention, the worst first, as the coordinator that answers sees it."""
        return await self._call(calls.incidents())

    async def tokens(self) -> TokenList:
        """Return all tokens, without their secrets; only an admin may ask."""
        return await self._call(calls.tokens())

    async def create_token(self, order: TokenOrder) -> NewToken:
        """Make a token, whose text is told this once; raise Conflict if its name is taken."""
        return await self._call(calls.create_token(order))

    async def revoke_token(self, name: str) -> TokenFacts:
        """Let a token be good for nothing any more."""
        return await self._call(calls.revoke_token(name))

    async def _call(self, call: Call[T]) -> T:
        steps: _Steps[T] = attempts(call, self._rotation, self._timeout, anyio.current_time)
        try:
            attempt = next(steps)
            while True:
                attempt = steps.send(await self._transport.attempt(call, attempt))
        except StopIteration as done:
            answer: T = done.value
            return answer
