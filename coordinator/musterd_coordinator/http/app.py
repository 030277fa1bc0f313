"""The ASGI application: from a request to its route, and from whatever happens to an answer."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing
from secrets import token_hex

import anyio
import structlog

from musterd.about import version
from musterd.errors import MusterdError
from musterd_coordinator.desk import Desk
from musterd_coordinator.http.api import Api
from musterd_coordinator.http.dashboard import dashboard_answer
from musterd_coordinator.http.events import PING_PERIOD, Events
from musterd_coordinator.http.exchange import (
    Answer,
    Receive,
    Request,
    Scope,
    Send,
    Stream,
    answer_json,
)
from musterd_coordinator.http.inputs import Disconnected, NoParameters, read_parameters
from musterd_coordinator.http.openapi import describe
from musterd_coordinator.http.problem import Problem, problem_of
from musterd_coordinator.http.routes import Router
from musterd_coordinator.http.table import EVENT_SHAPES, routes

log = structlog.get_logger(__name__)


class App:
    """The ASGI application over one desk."""

    def __init__(self, desk: Desk, *, ping_period: float = PING_PERIOD) -> None:
        self._answered: Counter[int] = Counter()
        self._stopping = anyio.Event()
        run = token_hex(4)
        self._run = b"musterd-run", run.encode()  # versions count within one run
        events = Events(desk, run, ping_period)
        api = self._api = Api(desk, events, self._answered)
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
        self._answered[answer.status if isinstance(answer, Answer) else 200] += 1
        start = answer.start()
        start["headers"].append(self._run)
        await send(start)
        if isinstance(answer, Stream):
            await self._stream(answer.chunks, scope["method"], receive, send)
        else:
            body = b"" if scope["method"] == "HEAD" else answer.body
            await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | Stream:
        try:
            route, names = self._router.find(scope["method"], scope["raw_path"])
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

    async def _stream(
        self, chunks: AsyncGenerator[bytes], method: str, receive: Receive, send: Send
    ) -> None:
        async with aclosing(chunks):
            if method != "HEAD":
                try:
                    await self._send_until_over(chunks, receive, send)
                except Exception:
                    log.exception("stream failed")
        await send({"type": "http.response.body", "body": b""})

    async def _send_until_over(
        self, chunks: AsyncGenerator[bytes], receive: Receive, send: Send
    ) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            tasks.start_soon(_cancel_when_set, self._stopping, tasks.cancel_scope)
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            tasks.cancel_scope.cancel()


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _cancel_when_set(stopping: anyio.Event, scope: anyio.CancelScope) -> None:
    await stopping.wait()
    scope.cancel()


def make_app(desk: Desk, *, ping_period: float = PING_PERIOD) -> App:
    """The whole HTTP API over ``desk``; a stream that is quiet pings every ``ping_period`` s."""
    return App(desk, ping_period=ping_period)
