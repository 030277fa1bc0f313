"""The module follows the events of coordinators, one at a time, for as long as its caller wants."""

import math
from collections.abc import Sequence
from http import HTTPStatus
from random import uniform
from typing import Any, Protocol
from urllib.parse import urlencode

import anyio
import httpcore

from musterd import ages
from musterd.ages import Slept
from musterd.client.attempts import Attempt, HttpReply, read_reply
from musterd.client.calls import Call, group, groups, login
from musterd.client.choice import (
    FRESHER,
    LOOK_EVERY,
    Address,
    is_listening,
    read_addresses,
    tls_for,
)
from musterd.client.network import NamedBackend, context_of
from musterd.client.transport import (
    AsyncTransport,
    failure_of,
    host_header,
    reply_of,
    url_of,
    whole_async,
)
from musterd.client.view import Event, EventParser
from musterd.errors import CoordinatorUnreachable, MusterdError
from musterd.tls import Tls, client_tls_of

SILENCE_LIMIT = 15.0  # seconds; three pings of a coordinator
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0

_TIMEOUTS = {"connect": 5.0, "read": SILENCE_LIMIT, "write": 5.0, "pool": 5.0}
_BROKEN = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
_ACCEPT = "Accept", "text/event-stream, application/problem+json"
_EVENTS: Call[bytes] = Call("GET", "/v1/events", bytes)


class Audience(Protocol):
    """An ``Audience`` is told how the following goes; its methods return at once."""

    def on_connect(self, address: Address) -> None:
        """Note that the view is as ``address`` knows it, and kept so from now on."""

    def on_update(self) -> None:
        """Note that the view is as of another whole event."""

    def on_disconnect(self, address: Address, error: MusterdError) -> None:
        """Note that ``address`` is followed no more, or could not be."""


class Followed(Protocol):
    """A ``Followed`` takes the events in, of ``group`` or of all, and says what it knows by them.

    ``form`` is that in which it takes them, "" the usual one; the rest is as in a View.
    """

    form: str
    group: str | None
    resume: str
    listening: bool
    staleness: float | None

    @property
    def whole(self) -> bool: ...
    def restart(self, oldest: float) -> None: ...
    def apply(self, event: Event) -> None: ...


class Follower:
    """A ``Follower`` keeps ``view`` up to date from the events of one of several coordinators.

    After a failure it follows the next one, and while one does not hear its store, another that does.
    It never changes a view for an older one: it takes none of a coordinator that has heard nothing for
    longer.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        view: Followed,
        audience: Audience,
        slept: Slept = ages.slept,
        token: str | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.addresses = read_addresses(urls)
        self._token, self._login = token, login(token)
        self._tls = tls_for(self.addresses, tls or client_tls_of())
        self.connected = False
        self._view = view
        self._audience = audience
        self._backend = NamedBackend(self._tls)
        self._better: Address | None = None  # one that hears its store, while this one does not
        self._following: anyio.CancelScope | None = None  # none yet: it needs an event loop
        self._heard_at = -math.inf
        self._slept = slept
        self._slept_before = 0.0  # when it was heard

    @property
    def age(self) -> float:
        """Return the seconds since the store was last proven to be heard, asleep or awake.

        They are infinite before the first view.
        """
        if not self._view.whole or self._view.staleness is None:
            return math.inf
        asleep = ages.asleep(self._slept_before, self._slept())
        return self._view.staleness + anyio.current_time() - self._heard_at + asleep

    async def run(self) -> None:
        """Follow for ever."""
        async with anyio.create_task_group() as tasks:
            if len(self.addresses) > 1:
                tasks.start_soon(self._look_around_for_ever)
            await self._follow_for_ever()

    def apply(self, address: Address, event: Event) -> None:
        """Apply an event that came from ``address``."""
        self._view.apply(event)
        if not event.id:  # a part: until the rest is here the view is as old as before
            return
        self._heard_at, self._slept_before = anyio.current_time(), self._slept()
        if not self.connected:
            self.connected = True
            self._audience.on_connect(address)
        self._audience.on_update()

    async def _follow_for_ever(self) -> None:
        pause, turn = FIRST_PAUSE, 0
        while True:
            heard = await self._follow(self.addresses[turn])
            if self._better is not None:
                turn, self._better = self.addresses.index(self._better), None
                continue
            turn = (turn + 1) % len(self.addresses)
            if heard:
                pause = FIRST_PAUSE
            # Full jitter: clients that lost the same coordinator do not come back in step.
            await anyio.sleep(uniform(0, pause))
            if not turn:
                pause = min(LONGEST_PAUSE, 2 * pause)

    async def _follow(self, address: Address) -> bool:
        """Follow one coordinator until that fails; say whether it was heard at all."""
        failed: MusterdError = CoordinatorUnreachable("it ended the stream")
        try:
            with anyio.CancelScope() as following:
                self._following = following
                await self._listen(address)
            if following.cancelled_caught:
                failed = CoordinatorUnreachable(
                    f"it does not hear its store, and {self._better} does"
                )
        except MusterdError as error:
            failed = error
        except _BROKEN as error:
            failed = CoordinatorUnreachable(
                failure_of(error, SILENCE_LIMIT, by_tls=address.scheme == "https").reason
            )
        heard, self.connected = self.connected, False
        self._audience.on_disconnect(address, failed)
        return heard

    async def _listen(self, address: Address) -> None:
        parser = EventParser()
        self._view.restart(self.age + FRESHER)
        async with (
            httpcore.AsyncConnectionPool(
                context_of(self._tls), network_backend=self._backend
            ) as pool,
            pool.stream(
                "GET",
                url_of(address, self._target()),
                headers=[*host_header(address), _ACCEPT, *self._login],
                extensions={"timeout": _TIMEOUTS},
            ) as response,
        ):
            if response.status != HTTPStatus.OK:
                body = await whole_async(response.aiter_stream())
                read_reply(_EVENTS, reply_of(response, body), address)
            async for piece in response.aiter_stream():
                for event in parser.feed(piece):
                    self.apply(address, event)

    def _target(self) -> str:
        given = {
            "form": self._view.form,
            "group": self._view.group,
            "since": self._view.resume,
        }
        wanted = {name: value for name, value in given.items() if value}
        return f"{_EVENTS.target}?{urlencode(wanted)}" if wanted else _EVENTS.target

    async def _look_around_for_ever(self) -> None:
        asking = AsyncTransport(self._token, self._tls)
        try:
            while True:
                await anyio.sleep(LOOK_EVERY * uniform(0.5, 1.5))
                for address in self.addresses:
                    if self.connected and not self._view.listening and self._better is None:
                        await self._look_at(address, asking)
        finally:
            with anyio.CancelScope(shield=True):
                await asking.aclose()

    async def _look_at(self, address: Address, asking: AsyncTransport) -> None:
        call: Call[Any] = groups() if self._view.group is None else group(self._view.group)
        reply = await asking.attempt(call, Attempt(address, LOOK_EVERY))
        if isinstance(reply, HttpReply) and _hears(call, reply, address):
            self._better = address
            if self._following is not None:
                self._following.cancel()


def _hears(call: Call[Any], reply: HttpReply, address: Address) -> bool:
    try:
        return is_listening(read_reply(call, reply, address))
    except MusterdError:
        return False
