"""A program beats from inside by ``async with musterd_agent.join(...) as membership``."""

import asyncio
import os
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import TypedDict, Unpack

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from musterd import ages
from musterd.beat import Status
from musterd.errors import ConfigError
from musterd.model import Member, check_metadata
from musterd.settings.keyring import renewable_keyring
from musterd.settings.options import Unusable
from musterd.settings.rules import consistent
from musterd.settings.settings import OPTIONS, Settings, aloud
from musterd.stores.base import Guarantees
from musterd_agent.agent import Agent
from musterd_agent.loop import Counters
from musterd_agent.main import open_agent_store


class JoinOptions(TypedDict, total=False):
    """``JoinOptions`` describe the member that joins, with the defaults of ``musterd agent``.

    ``interval`` and ``push_timeout`` are seconds; ``member`` defaults to the host's name, so give
    one where several processes of a host join the same group. ``member_key`` is what ``musterd key``
    prints; with it the member is announced and beats signed. ``ca_file``, ``cert_file`` and ``key_file``
    are for a store that is reached by TLS.
    """

    group: str
    member: str
    interval: float
    zone: str
    owner: str
    metadata: Mapping[str, str]
    namespace: str
    push_timeout: float
    member_key: str
    ca_file: str
    cert_file: str
    key_file: str


class Membership:
    """A ``Membership`` is a member that beats.

    What a program sees of its member here needs no coordinator.
    """

    def __init__(self, agent: Agent, member: Member) -> None:
        self.member = member
        self.incarnation = agent.incarnation
        self.joined_at = anyio.current_time()
        self._slept = agent.slept
        self._slept_before = agent.slept()
        (self._loop,) = agent.loops

    @property
    def status(self) -> Status:
        """Return what the next beat says: ``OK``, ``CHECK_FAILING`` or ``DRAINING``; may be set."""
        return self._loop.status

    @status.setter
    def status(self, status: Status) -> None:
        if Status(status) is Status.LEAVING:
            raise ValueError("a member says that it is leaving by leaving the context of join()")
        self._loop.status = Status(status)

    @property
    def last_accepted(self) -> float | None:
        """Return when a beat last got through to any shard; None: never.

        The instant is by ``anyio.current_time()``.
        """
        return self._loop.last_accepted

    @property
    def last_accepted_age(self) -> float:
        """Return the seconds since a beat last got through to any shard.

        They count from joining if none did, and while the host was asleep, too. When they near the
        coordinator's ``service_down_time``, others may soon be told that this member is down and
        take over its work: stop what must not be done twice.
        """
        return self.age(anyio.current_time())

    def age(self, now: float) -> float:
        """Return :attr:`last_accepted_age` at ``now`` of ``anyio.current_time()``."""
        age = self._loop.age(now)
        if age is not None:
            return age
        return now - self.joined_at + ages.asleep(self._slept_before, self._slept())

    @property
    def counters(self) -> Counters:
        """Return what became of the beats so far."""
        return self._loop.counters

    async def report(self, status: Status) -> bool:
        """Set :attr:`status` and push it now, not at a tick; say whether any shard took it."""
        self.status = status
        return await self._loop.report() > 0

    async def describe(self, metadata: Mapping[str, str]) -> bool:
        """Announce this metadata instead, now and from now on; say whether any shard took it.

        Coordinators tell it as soon as they look at the announcement again: within a sweep in a small
        fleet, within 64 in a large one. Raises ConfigError for metadata that no member can have.
        """
        self.member = replace(self.member, metadata=dict(check_metadata(metadata)))
        self._loop.announce_as(self.member)
        return await self._loop.report() > 0


class join:  # noqa: N801  # a verb, as its user reads it
    """``join`` beats in the caller's own event loop for a member of a group until the block ends.

    The group is on ``store``; options are as in :class:`JoinOptions`. Entering announces the member
    and returns with its first beat taken, or after the push timeout if no shard took it: a store
    that is not there yet is waited for in the background. Leaving the block says so to all shards
    within 1.5 seconds.

    Whatever blocks the loop delays the beats, and they say so (``lag_ms``): a program that may
    block it should use :func:`musterd_agent.join_in_thread`, as should one that runs on trio, which
    the drivers of real stores do not. Join after a fork, not before: a child of a joined process
    does not beat, and must not use its parent's membership.

    Raises ConfigError for options or a URL that cannot be used, and nothing for a store in trouble.
    """

    def __init__(self, store: str, **options: Unpack[JoinOptions]) -> None:
        self._settings = _settings(store, options)
        keys = renewable_keyring(self._settings)  # of no file: nothing to look at later
        self._store = open_agent_store(self._settings, keys)
        self._agent: Agent
        self._tasks: TaskGroup
        self._process = 0

    async def __aenter__(self) -> Membership:
        if Guarantees.SHARED in self._store.guarantees:
            _refuse_trio()
        self._process = os.getpid()
        self._agent = Agent(self._store, self._settings)
        (member,) = self._settings.members
        membership = Membership(self._agent, member.announced())
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._agent.run)
        try:
            with anyio.move_on_after(self._settings.push_timeout_for(member.interval)):
                await self._agent.loops[0].first_accepted.wait()
        except BaseException:
            await self._end()
            raise
        return membership

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        if os.getpid() != self._process:
            return
        # The group never sees the caller's exception, so as not to wrap it in an ExceptionGroup.
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await self._agent.leave()
                await self._agent.aclose()


def _refuse_trio() -> None:
    """Refuse trio: the drivers of real stores need asyncio, and nothing would ever get through."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigError(
            "join() needs asyncio; use join_in_thread() in a program on trio"
        ) from None


def _settings(store: str, options: JoinOptions) -> Settings:
    given: dict[str, object] = {"store": store, "member": socket.gethostname(), **options}
    for key, value in given.items():
        if key != "store" and key not in JoinOptions.__annotations__:
            raise ConfigError(
                f"join() has no option {key!r}; it has {', '.join(JoinOptions.__annotations__)}"
            )
        try:
            given[key] = OPTIONS[key].kind.read(value)
        except Unusable as error:
            raise ConfigError(
                f"join(): {key} {aloud(key, value)!r} is not usable; use {error}"
            ) from None
    sources = dict.fromkeys(OPTIONS, "join()")
    settings, _, _ = consistent(Settings(**given), sources)  # type: ignore[arg-type]
    return settings
