"""`musterd notify` follows all coordinators at once, and tells one endpoint what the bulletin decides."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from math import inf
from random import uniform

import anyio
import anyio.to_thread
import structlog

from musterd.client.choice import Address, read_addresses
from musterd.client.follow import Follower
from musterd.client.statusview import StatusView
from musterd.errors import MusterdError
from musterd.tls import Tls
from musterd_coordinator.notify.bulletin import Bulletin
from musterd_coordinator.notify.endpoint import Endpoint, Undelivered
from musterd_coordinator.notify.matters import Message, MessageKind
from musterd_coordinator.notify.memory import Memory
from musterd_coordinator.notify.voices import Voice, heard

log = structlog.get_logger(__name__)

TURN = 1.0
"""Seconds between two looks at what is due, at most."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until an endpoint is tried again that took nothing: they double, less a chance half."""

REFUSED_PAUSE = 300.0
"""Seconds until a message is tried again that an endpoint refused which takes others."""


def wall_now() -> datetime:
    """Return the present, for people."""
    return datetime.now(UTC)


class Ear:
    """An `Ear` follows one coordinator, and has its `Voice`; ``nudge`` is called when that says more."""

    def __init__(
        self,
        address: str,
        token: str | None,
        tls: Tls,
        clock: Callable[[], float],
        wall: Callable[[], datetime],
        nudge: Callable[[], None] = lambda: None,
    ) -> None:
        self.voice = Voice(address, clock(), wall())
        self.nudge = nudge
        self._clock, self._wall = clock, wall
        self._view = StatusView(on_status=self.on_update)
        self.follower = Follower(address, self._view, self, token=token, tls=tls)

    def on_connect(self, address: Address) -> None:
        """Say in the log that it is followed."""
        log.info("coordinator followed", coordinator=str(address))

    def on_update(self) -> None:
        """Take what it says, once it is known how well it hears."""
        if self.follower.connected and self._view.said is not None:
            self.voice.say(
                self._view.said.incidents,
                listening=self._view.listening,
                now=self._clock(),
            )
            self.nudge()

    def on_disconnect(self, address: Address, error: MusterdError) -> None:
        """Say once in the log that it is not followed."""
        if self.voice.lost is None or self.voice.why != str(error):
            log.warning("coordinator lost", coordinator=str(address), reason=str(error))
        self.voice.lose(str(error), self._clock(), self._wall())


class Notifier:
    """A `Notifier` tells ``endpoint`` of what goes on, with a heartbeat every so many seconds.

    ``heartbeat`` may be infinite. ``tls`` is that to coordinators, ``clock`` a monotonic
    one, and ``wall`` the time for people.
    """

    def __init__(
        self,
        urls: str,
        endpoint: Endpoint,
        memory: Memory,
        *,
        token: str | None,
        tls: Tls,
        heartbeat: float = inf,
        clock: Callable[[], float] = anyio.current_time,
        wall: Callable[[], datetime] = wall_now,
    ) -> None:
        self._endpoint = endpoint
        self._memory = memory
        self._heartbeat = heartbeat
        self._wall, self._clock = wall, clock
        self._news = anyio.Event()
        self._ears = [
            Ear(str(one), token, tls, clock, wall, self._nudge) for one in read_addresses(urls)
        ]
        self._kept = memory.read()
        self.bulletin = Bulletin(self._kept, clock(), endpoint.repeat)
        self._beat_at = -inf if heartbeat < inf else inf
        self._try_at = -inf
        self._pause = FIRST_PAUSE
        self._problem = ""
        self._delivered = 0

    @property
    def voices(self) -> list[Voice]:
        """Return what each coordinator says."""
        return [ear.voice for ear in self._ears]

    async def run(self) -> None:
        """Follow and tell for ever."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.follow)
            while True:
                await self.turn()
                self._news = anyio.Event()
                with anyio.move_on_after(TURN):
                    await self._news.wait()

    async def follow(self) -> None:
        """Follow all coordinators for ever, and tell nobody."""
        async with anyio.create_task_group() as tasks:
            for ear in self._ears:
                tasks.start_soon(ear.follower.run)

    async def turn(self) -> None:
        """Hear what is said now, and tell what is due."""
        now, wall = self._clock(), self._wall()
        self.bulletin.hear(heard(self.voices, now), now, wall)
        if now >= self._try_at:
            due = self._due(now, wall)
            while (some := list(islice(due, self._endpoint.batch))) and await self._told(some):
                pass
        await self._keep()

    def _due(self, now: float, wall: datetime) -> Iterator[Message]:
        if now >= self._beat_at:
            yield self._beat(wall)
        yield from list(self.bulletin.due(now, wall))

    def _beat(self, wall: datetime) -> Message:
        text = f"musterd notify {self.summary()}"
        return Message(MessageKind.HEARTBEAT, wall, text, going_on=self.bulletin.going_on)

    async def _told(self, messages: Sequence[Message]) -> bool:
        """Deliver ``messages``; say whether the endpoint takes more now."""
        try:
            await self._endpoint.deliver(messages)
        except Undelivered as error:
            self._note_problem(error)
            return self._refused(messages, error)
        if self._problem:
            log.info("endpoint takes messages again", endpoint=self._endpoint.name)
        self._problem, self._pause = "", FIRST_PAUSE
        self._delivered += len(messages)
        for message in messages:
            self._accepted(message)
        return True

    def _accepted(self, message: Message) -> None:
        now = self._clock()
        if message.event is MessageKind.HEARTBEAT:
            self._beat_at = now + self._heartbeat
            return
        self.bulletin.accepted(message, now)
        if message.event is not MessageKind.ONGOING:
            log.info("told", event_kind=message.event.value, text=message.text)

    def _refused(self, messages: Sequence[Message], error: Undelivered) -> bool:
        now = self._clock()
        if error.of_message:
            for message in messages:
                self.bulletin.refused(message, now, REFUSED_PAUSE)
                if message.event is MessageKind.HEARTBEAT:
                    self._beat_at = now + self._heartbeat
            return True
        self._try_at = now + uniform(self._pause / 2, self._pause)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)
        return False

    def _note_problem(self, error: Undelivered) -> None:
        if self._problem != str(error):
            log.warning("not delivered", endpoint=self._endpoint.name, reason=str(error))
        self._problem = str(error)

    async def _keep(self) -> None:
        """Write what was told, where that is something else."""
        kept = self.bulletin.kept()
        if kept != self._kept:
            self._kept = kept
            await anyio.to_thread.run_sync(self._memory.write, kept)

    def _nudge(self) -> None:
        self._news.set()

    def summary(self) -> str:
        """Say how it goes, in one line for an operator."""
        followed = sum(voice.lost is None for voice in self.voices)
        text = (
            f"follows {followed} of {len(self._ears)} coordinators,"
            f" {self.bulletin.going_on} go on, {self.bulletin.waiting} not told yet,"
            f" {self._delivered} messages delivered"
        )
        return f"{text}; {self._problem}" if self._problem else text
