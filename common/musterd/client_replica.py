"""A local replica of one group: asked like a set in memory, kept up to date from the events."""

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from random import uniform
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import anyio
import httpcore

from musterd import ages
from musterd.ages import Slept
from musterd.client_attempts import Attempt, Reply, read_reply
from musterd.client_calls import Call, group
from musterd.client_choice import FRESHER, LOOK_EVERY, Address, read_addresses
from musterd.client_transport import (
    AsyncTransport,
    NamedBackend,
    failure_of,
    reply_of,
    url_of,
    whole_async,
)
from musterd.client_view import Event, EventParser, View
from musterd.errors import MusterdError
from musterd.logger import get_logger
from musterd.model import GroupAnswer, Verdict

SILENCE_LIMIT = 15.0  # seconds; three pings of a coordinator
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0

_TIMEOUTS = {"connect": 5.0, "read": SILENCE_LIMIT, "write": 5.0, "pool": 5.0}
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_EVENTS: Call[bytes] = Call("GET", "/v1/events", bytes)

log = get_logger(__name__)


class Replica:
    """Verdicts on the members of ``group`` from memory, never waiting for anything.

    While no coordinator is reachable it keeps its last view: ``age`` says how old that is, and
    ``listening`` is false. A scheduler that must not act on old knowledge looks at ``age`` first.
    ``urls`` is as for Client; after a failure the next one is followed, and while one does not hear
    its store, another that does. A view is never changed for an older one: of a coordinator that
    has heard nothing for longer it is not taken.
    """

    def __init__(self, urls: str | Sequence[str], group: str, *, slept: Slept = ages.slept) -> None:
        self._addresses = read_addresses(urls)
        self._backend = NamedBackend()
        self._view = View(group)
        self._better: Address | None = None  # one that hears its store, while this one does not
        self._following = anyio.CancelScope()
        self._heard_at = -math.inf
        self._slept = slept
        self._slept_before = 0.0  # when it was heard
        self._connected = False
        self._ready = anyio.Event()
        self._stack = AsyncExitStack()
        self.problem: str | None = "not connected yet"

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(self._follow_for_ever)
        if len(self._addresses) > 1:
            tasks.start_soon(self._look_around_for_ever)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    async def wait_ready(self) -> None:
        """Wait for the first whole view; put it under a deadline of your own."""
        await self._ready.wait()

    def verdict(self, member: str) -> Verdict | None:
        """What is known of ``member``; None if the group had no such member."""
        return self._view.members.get(member)

    def is_up(self, member: str) -> bool:
        """Whether it may be talked to. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.up

    def is_schedulable(self, member: str) -> bool:
        """Whether work may be placed on it. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.schedulable

    def is_down(self, member: str) -> bool:
        """Whether it may be evacuated. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.down

    def up(self) -> list[str]:
        """The names of all members that are up."""
        return [name for name, verdict in self._view.members.items() if verdict.up]

    def members(self) -> dict[str, Verdict]:
        """All members, as a copy."""
        return dict(self._view.members)

    @property
    def age(self) -> float:
        """Seconds since the store was last proven to be heard, asleep or awake; infinite before the
        first view."""
        if not self._view.whole or self._view.staleness is None:
            return math.inf
        asleep = ages.asleep(self._slept_before, self._slept())
        return self._view.staleness + anyio.current_time() - self._heard_at + asleep

    @property
    def listening(self) -> bool:
        """Whether the coordinator hears the store, and this hears the coordinator."""
        return self._connected and self._view.listening

    @property
    def version(self) -> int:
        """The version of the view; to compare only with one of the same coordinator's run."""
        return self._view.version

    async def _follow_for_ever(self) -> None:
        pause, turn = FIRST_PAUSE, 0
        while True:
            heard = await self._follow(self._addresses[turn])
            if self._better is not None:
                turn, self._better = self._addresses.index(self._better), None
                continue
            turn = (turn + 1) % len(self._addresses)
            if heard:
                pause = FIRST_PAUSE
            # Full jitter: replicas that lost the same coordinator do not come back in step.
            await anyio.sleep(uniform(0, pause))
            if not turn:
                pause = min(LONGEST_PAUSE, 2 * pause)

    async def _look_around_for_ever(self) -> None:
        asking = AsyncTransport()
        try:
            while True:
                await anyio.sleep(LOOK_EVERY * uniform(0.5, 1.5))
                for address in self._addresses:
                    if self._connected and not self._view.listening and self._better is None:
                        await self._look_at(address, asking)
        finally:
            with anyio.CancelScope(shield=True):
                await asking.aclose()

    async def _look_at(self, address: Address, asking: AsyncTransport) -> None:
        call = group(self._view.group)
        reply = await asking.attempt(call, Attempt(address, LOOK_EVERY))
        if isinstance(reply, Reply) and _hears(call, reply, address):
            self._better = address
            self._following.cancel()

    async def _follow(self, address: Address) -> bool:
        """Follow one coordinator until that fails; whether it was heard at all."""
        try:
            reason = "it ended the stream"
            with anyio.CancelScope() as self._following:
                await self._listen(address)
            if self._following.cancelled_caught:
                reason = f"it does not hear its store, and {self._better} does"
        except MusterdError as error:
            reason = str(error)
        except _BROKEN as error:
            reason = failure_of(error, SILENCE_LIMIT).reason
        heard = self._connected
        self._lost(address, reason)
        return heard

    async def _listen(self, address: Address) -> None:
        parser = EventParser()
        self._view.begin(self.age + FRESHER)
        async with (
            httpcore.AsyncConnectionPool(network_backend=self._backend) as pool,
            pool.stream(
                "GET",
                url_of(address, self._target()),
                headers=[("Accept", "text/event-stream, application/problem+json")],
                extensions={"timeout": _TIMEOUTS},
            ) as response,
        ):
            if response.status != 200:
                body = await whole_async(response.aiter_stream())
                read_reply(_EVENTS, reply_of(response, body), address)
            async for piece in response.aiter_stream():
                for event in parser.feed(piece):
                    self._take(address, event)

    def _target(self) -> str:
        since = {"since": self._view.resume} if self._view.resume else {}
        return f"{_EVENTS.target}?{urlencode({'group': self._view.group, **since})}"

    def _take(self, address: Address, event: Event) -> None:
        self._view.apply(event)
        if not event.id:  # a part: until the rest is here the view is as old as before
            return
        self._heard_at, self._slept_before = anyio.current_time(), self._slept()
        if not self._connected:
            self._connected, self.problem = True, None
            self._ready.set()
            log.info("replica follows", coordinator=str(address), group=self._view.group)

    def _lost(self, address: Address, reason: str) -> None:
        if self._connected or self.problem is None:
            log.warning(
                "replica lost", coordinator=str(address), group=self._view.group, reason=reason
            )
        self._connected = False
        self.problem = f"{address}: {reason}"


def _hears(call: Call[GroupAnswer], reply: Reply, address: Address) -> bool:
    try:
        return read_reply(call, reply, address).listening
    except MusterdError:
        return False
