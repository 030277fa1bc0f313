"""Every answer leaves through here: with the headers that all have, counted, and in pieces if large."""

from collections.abc import Callable
from time import monotonic

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from musterd.errors import MusterdError
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.limits import Room
from musterd_coordinator.http.problem import Problem, problem_of
from musterd_coordinator.limits.shares import holder_of

log = structlog.get_logger(__name__)

PIECE = 64 * 1024

START, BODY = "http.response.start", "http.response.body"
Headers = tuple[tuple[bytes, bytes], ...]

# What is alive changes from one second to the next: no proxy or browser may keep an answer.
WHOLE: Headers = (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")
# A proxy that compresses or collects answers would keep events until it has enough of them.
_STREAM: Headers = (
    (b"cache-control", b"no-store, no-transform"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
)
_UNREAD = Problem(
    503,
    "too many large answers wait for their readers; take yours, and ask again",
    headers={"retry-after": "2"},
)
_NOTHING = {"type": BODY, "body": b""}


class Outgoing:
    """An `Outgoing` is the ASGI middleware that sends answers, to errors too.

    ``run`` names this run of the coordinator; ``in_doubt`` replaces an error that cannot be told yet, and
    ``clock`` measures answers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        run: str,
        gauges: HttpGauges,
        room: Room,
        in_doubt: Callable[[MusterdError], MusterdError],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._app = app
        self._in_doubt = in_doubt
        self.gauges, self.clock = gauges, clock
        self.unsent = room.unsent
        mark = ((b"musterd-run", run.encode()),)  # versions count within one run
        self.whole, self.stream = WHOLE + mark, _STREAM + mark

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3; only HTTP)."""
        if scope["type"] != "http":
            raise NotImplementedError(f"only HTTP is served, not {scope['type']}")
        answer = _Answer(self, scope, receive, send)
        try:
            await self._app(scope, receive, answer)
            return
        except ClientDisconnect:
            return
        except Problem as raised:
            problem = raised
        except MusterdError as error:
            problem = problem_of(self._in_doubt(error))
        except Exception:
            if answer.begun:
                raise
            log.exception("request failed", method=scope["method"], path=scope["path"])
            problem = Problem(500, "the coordinator failed to answer; its log has the cause")
        told = problem.answer()
        if scope.get("unwanted"):
            told.headers["connection"] = "close"  # nobody knows where what came ends
        await told(scope, receive, answer)


class _Answer:
    """An `_Answer` keeps its head until the first of its body says how it is to be sent."""

    __slots__ = ("_came", "_head", "_outgoing", "_receive", "_scope", "_send", "begun")

    def __init__(self, outgoing: Outgoing, scope: Scope, receive: Receive, send: Send) -> None:
        self._outgoing = outgoing
        self._scope, self._receive, self._send = scope, receive, send
        self._head: Message = {}
        self._came = outgoing.clock()
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == START:
            self._head = message
        elif self.begun:
            self._outgoing.gauges.streamed += len(message["body"])
            await self._send(message)
        elif message.get("more_body"):
            await self._send(self._begun(self._outgoing.stream))
            await self._send(message)
        elif self._scope["method"] != "HEAD" and len(message["body"]) > PIECE:
            await self._send_large(message["body"])
        else:
            await self._send(self._begun(self._outgoing.whole))
            await self._send(_NOTHING if self._scope["method"] == "HEAD" else message)

    def _begun(self, headers: Headers) -> Message:
        self.begun = True
        head, took = self._head, self._outgoing.clock() - self._came
        self._outgoing.gauges.count_answer(head["status"], self._scope.get("route"), took)
        head["headers"] = [*head["headers"], *headers]
        if (made := self._scope.get("request_id")) is not None:
            head["headers"].append((b"x-request-id", made.encode()))
        return head

    async def _send_large(self, body: bytes | memoryview) -> None:
        """Send ``body`` in pieces, so that what a slow reader has not taken is here once."""
        unsent, holder, size = (
            self._outgoing.unsent,
            holder_of(self._scope.get("client")),
            len(body),
        )
        if not unsent.acquire(holder, size):
            await _UNREAD.answer()(self._scope, self._receive, self)
            return
        try:
            await self._send(self._begun(self._outgoing.whole))
            for at in range(0, size, PIECE):
                more = at + PIECE < size
                await self._send({"type": BODY, "body": body[at : at + PIECE], "more_body": more})
        finally:
            unsent.release(holder, size)
