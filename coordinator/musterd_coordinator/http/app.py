"""The ASGI application: from a request to its route, and from whatever happens to an answer."""

from collections.abc import AsyncGenerator, Hashable
from contextlib import aclosing
from secrets import token_hex

import anyio
import structlog

from musterd.about import version
from musterd.errors import MusterdError
from musterd_coordinator.http.api import Api
from musterd_coordinator.http.dashboard import dashboard_answer
from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.events import PING_PERIOD, Events
from musterd_coordinator.http.exchange import (
    Answer,
    Message,
    Receive,
    Request,
    Scope,
    Send,
    Stream,
    answer_json,
)
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.heads import Hosts, check_head
from musterd_coordinator.http.inputs import Disconnected, NoParameters, read_parameters
from musterd_coordinator.http.limits import HttpLimits, Room
from musterd_coordinator.http.openapi import describe
from musterd_coordinator.http.orders import Orders
from musterd_coordinator.http.problem import Problem, problem_of
from musterd_coordinator.http.routes import Route, Router
from musterd_coordinator.http.table import EVENT_SHAPES, routes
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.rates import Repeats
from musterd_coordinator.limits.shares import Shares, holder_of
from musterd_coordinator.service.contract import CoordinatorApi

log = structlog.get_logger(__name__)

PIECE = 64 * 1024

_BODY = "http.response.body"
_UNREAD = Problem(
    503,
    "too many large answers wait for their readers; take yours, and ask again",
    headers=((b"retry-after", b"2"),),
)


class App:
    """The ASGI application over one desk."""

    def __init__(
        self, desk: CoordinatorApi, *, ping_period: float, hosts: Hosts, limits: HttpLimits
    ) -> None:
        self._stopping = anyio.Event()
        run = token_hex(4)
        self._run = b"musterd-run", run.encode()  # versions count within one run
        self._hosts = hosts
        self.door = Door[Hashable](limits.connections, limits.each)
        self.refusals = Repeats(limits.clock)
        self._room = Room(limits)
        self._gauges = HttpGauges(self.door, self._room)
        turns = Turns(limits.heavy)
        readers = Shares(limits.readers, limits.readers_each)
        events = Events(desk, run, ping_period, readers, turns)
        orders = Orders(limits.pace(), self._gauges, limits.clock)
        api = self._api = Api(desk, events, self._gauges, self._room, turns, orders)
        table = routes(api, openapi=self._openapi, dashboard=self._dashboard)
        document = describe(table, version=version(), extra_shapes=EVENT_SHAPES.values())
        self._router = Router(table)
        self._description = answer_json(document)
        self._page = dashboard_answer()

    async def _openapi(self, request: Request) -> Answer:
        return self._description

    async def _dashboard(self, request: Request) -> Answer:
        return self._page

    def stop(self) -> None:
        """End the streams of events, so that a server that is to stop need not wait for them."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3; only HTTP)."""
        if scope["type"] != "http":
            raise NotImplementedError(f"only HTTP is served, not {scope['type']}")
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        if isinstance(answer, Stream):
            self._gauges.answered[200] += 1
            await send(self._start(answer))
            await send({"type": _BODY, "body": b"", "more_body": True})  # or the head waits for it
            await self._stream(answer.chunks, scope, receive, send)
        else:
            await self._send(answer, scope, send)

    def _start(self, answer: Answer | Stream) -> Message:
        start = answer.start()
        start["headers"].append(self._run)
        return start

    async def _send(self, answer: Answer, scope: Scope, send: Send) -> None:
        if len(answer.body) > PIECE and scope["method"] != "HEAD":
            await self._send_large(answer, scope, send)
            return
        self._gauges.answered[answer.status] += 1
        await send(self._start(answer))
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": _BODY, "body": body})

    async def _send_large(self, answer: Answer, scope: Scope, send: Send) -> None:
        """In pieces, so that what a slow reader has not taken is here once."""
        whose, size = holder_of(scope.get("client")), len(answer.body)
        if not self._room.unsent.take(whose, size):
            await self._send(_UNREAD.answer(), scope, send)
            return
        self._gauges.answered[answer.status] += 1
        try:
            await send(self._start(answer))
            for at in range(0, size - PIECE, PIECE):
                piece = answer.body[at : at + PIECE]
                await send({"type": _BODY, "body": piece, "more_body": True})
            await send({"type": _BODY, "body": answer.body[_last(size) :]})
        finally:
            self._room.unsent.give(whose, size)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | Stream:
        try:
            wrong_body = check_head(scope, self._hosts)
            route, names = self._find(scope, wrong_body)
            if route.parameters is NoParameters and scope["query_string"]:
                read_parameters(scope["query_string"], NoParameters)
            return await route.handler(Request(scope, receive, names))
        except Problem as problem:
            return problem.answer()
        except MusterdError as error:
            return problem_of(self._api.in_doubt(error)).answer()
        except Disconnected:
            raise
        except Exception:
            log.exception("request failed", method=scope["method"], path=scope["path"])
            return Problem(500, "the coordinator failed to answer; its log has the cause").answer()

    def _find(self, scope: Scope, wrong_body: Problem | None) -> tuple[Route, tuple[str, ...]]:
        try:
            found = self._router.find(scope["method"], scope["raw_path"])
        except Problem as problem:
            raise problem if wrong_body is None else problem.closing() from None
        if wrong_body is not None:
            raise wrong_body
        return found

    async def _stream(
        self, chunks: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        async with aclosing(chunks):
            if scope["method"] != "HEAD":
                try:
                    await self._send_until_over(chunks, scope, receive, send)
                except Exception:
                    log.exception("stream failed")
        await send({"type": _BODY, "body": b""})

    async def _send_until_over(
        self, chunks: AsyncGenerator[bytes], scope: Scope, receive: Receive, send: Send
    ) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            tasks.start_soon(_cancel_when_set, self._stopping, tasks.cancel_scope)
            async for chunk in chunks:
                await send({"type": _BODY, "body": chunk, "more_body": True})
            tasks.cancel_scope.cancel()


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _cancel_when_set(stopping: anyio.Event, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


def _last(size: int) -> int:
    """Where the last piece of a body of ``size`` bytes begins."""
    return max(0, size - 1) // PIECE * PIECE


def make_app(
    desk: CoordinatorApi,
    *,
    ping_period: float = PING_PERIOD,
    hosts: Hosts | None = None,
    limits: HttpLimits | None = None,
) -> App:
    """The whole HTTP API over ``desk``; a stream that is quiet pings every ``ping_period`` s.

    It answers to addresses, localhost and ``hosts``.
    """
    return App(desk, ping_period=ping_period, hosts=hosts or Hosts(), limits=limits or HttpLimits())
