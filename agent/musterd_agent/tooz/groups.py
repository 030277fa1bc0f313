"""One member of Tooz joins and leaves groups here, and asks who is in them.

It runs in an event loop of its own. What changes something returns when the coordinator tells of it, so
that whoever asks next sees it.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import tooz
from anyio.abc import TaskGroup, TaskStatus
from tooz.coordination import (
    GroupAlreadyExist,
    GroupNotCreated,
    GroupNotEmpty,
    MemberAlreadyExist,
    MemberNotJoined,
    OperationTimedOut,
)

from musterd.answers import MemberAnswer
from musterd.beat import Status
from musterd.client import AsyncClient
from musterd.errors import CoordinatorUnreachable, NotFound, NotReady
from musterd_agent.membership import JoinOptions, Membership, join
from musterd_agent.tooz.capabilities import as_metadata
from musterd_agent.tooz.names import PLACE, identity_of
from musterd_agent.tooz.options import ToozOptions
from musterd_agent.tooz.pulse import Pulse

FAREWELL = 3.0  # seconds that leaving all groups may take at the end

_FIRST_LOOK, _LONGEST_LOOK = 0.05, 0.5  # seconds between looks at what the coordinator tells
_MISSED, _AT_LEAST = 1.5, 1.0
"""Intervals, and seconds more, without a beat after which whoever has the same name beats no more."""


class _Held:
    """A ``_Held`` is a membership in the hands of the task that keeps it until ``leave``."""

    def __init__(self, membership: Membership) -> None:
        self.membership = membership
        self.leave = anyio.Event()
        self.left = anyio.Event()


class Groups:
    """``Groups`` are those that ``member`` is in, and all that there are.

    Calls are served one after the other, in the order in which they came.
    """

    def __init__(
        self, client: AsyncClient, tasks: TaskGroup, member: str, options: ToozOptions
    ) -> None:
        self._client = client
        self._tasks = tasks
        self._member = member
        self._options = options
        self._held: dict[str, _Held] = {}
        self._turn = anyio.Lock()
        self._pulse = Pulse(options.timeout, anyio.current_time())
        self._lapsed: anyio.Event | None = None  # set when the pulse is felt again

    # -- groups --------------------------------------------------------------------------

    async def create(self, group: str) -> None:
        """Make an empty group: one that a member has joined and left, which keeps its place."""
        async with self._turn:
            if await self._exists(group):
                raise GroupAlreadyExist(identity_of(group))
            async with self._joined(group, PLACE, {}) as membership:
                await self._must_tell(group, PLACE, _is_up_by(membership))
            await self._must_tell(group, PLACE, _is_not_up_by(membership))

    async def names(self) -> list[bytes]:
        """Return the ids of all groups, musterd's own too."""
        async with self._turn:
            return [identity_of(each.group) for each in (await self._client.groups()).groups]

    async def delete(self, group: str) -> None:
        """Forget a group nobody in which is up."""
        async with self._turn:
            known = await self._all(group)
            if any(one.up for one in known):
                raise GroupNotEmpty(identity_of(group))
            for one in known:
                await self._client.forget(group, one.member)

    # -- being in one --------------------------------------------------------------------

    async def join(self, group: str, capabilities: Mapping[str, Any] | None) -> None:
        """Be in a group from now on, until the driver stops or :meth:`leave` is called."""
        metadata = as_metadata(capabilities)
        async with self._turn:
            if not await self._exists(group):
                raise GroupNotCreated(identity_of(group))
            if group in self._held or await self._is_beating(group, self._member):
                raise MemberAlreadyExist(identity_of(group), identity_of(self._member))
            await self.feel()
            held: _Held = await self._tasks.start(self._keep, group, metadata)
            self._held[group] = held
            try:
                await self._must_tell(group, self._member, _is_up_by(held.membership))
                # Where an operator said otherwise of it, that is what is told: no reason to fail.
                await self._tells(group, self._member, _is_described_by(metadata))
            except BaseException:  # cancelled, too: no caller knows that it is in the group
                with anyio.CancelScope(shield=True):
                    await self._let_go(group)
                raise

    async def leave(self, group: str) -> None:
        """Be in the group no more."""
        async with self._turn:
            if group in self._held:
                membership = self._held[group].membership
                await self._let_go(group)
                await self._must_tell(group, self._member, _is_not_up_by(membership))
                return
            if (await self._known(group, self._member)).up:
                raise tooz.NotImplemented("a member leaves where it joined, and nowhere else")
            raise MemberNotJoined(identity_of(group), identity_of(self._member))

    async def describe(self, group: str, capabilities: Mapping[str, Any]) -> None:
        """Have other capabilities from now on."""
        metadata = as_metadata(capabilities)
        async with self._turn:
            if group not in self._held:
                await self._known(group, self._member)
                raise MemberNotJoined(identity_of(group), identity_of(self._member))
            membership = self._held[group].membership
            await membership.describe(metadata)
            await self._tells(group, self._member, _is_described_by(metadata))

    # -- who is in one -------------------------------------------------------------------

    async def members(self, group: str) -> dict[bytes, MemberAnswer]:
        """Return who is up in a group."""
        async with self._turn:
            up = [one for one in await self._all(group, up=True) if one.member != PLACE]
            return {identity_of(one.member): one for one in up}

    async def member(self, group: str, member: str) -> MemberAnswer:
        """Return one that is up."""
        async with self._turn:
            answer = await self._known(group, member)
            if not answer.up:
                raise MemberNotJoined(identity_of(group), identity_of(member))
            return answer

    # -- the program's own pulse -----------------------------------------------------------

    async def watch_pulse(self) -> None:
        """Let all memberships fail when the pulse lapses, until somebody feels it again."""
        while True:
            await anyio.sleep(max(0.0, self._pulse.left(anyio.current_time())))
            if self._pulse.left(anyio.current_time()) <= 0:
                self._lapsed = anyio.Event()
                await self._report(Status.CHECK_FAILING)
                await self._lapsed.wait()

    async def feel(self) -> float:
        """Feel the pulse; return for how many seconds no beat got through to any shard."""
        self._pulse.felt(anyio.current_time())
        if self._lapsed is not None:
            lapsed, self._lapsed = self._lapsed, None
            lapsed.set()
            await self._report(Status.OK)
        ages = [held.membership.last_accepted_age for held in self._held.values()]
        return max(ages, default=0.0)

    async def leave_all(self) -> None:
        """Leave all groups, and wait a little until the coordinator tells of it."""
        with anyio.move_on_after(FAREWELL):
            async with anyio.create_task_group() as leaving:
                for group in self._held:
                    leaving.start_soon(self._quit, group)

    async def _quit(self, group: str) -> None:
        membership = self._held[group].membership
        await self._let_go(group)
        await self._tells(group, self._member, _is_not_up_by(membership))

    async def _report(self, status: Status) -> None:
        async with anyio.create_task_group() as reports:
            for held in self._held.values():
                reports.start_soon(held.membership.report, status)

    # ------------------------------------------------------------------------------------

    async def _keep(
        self, group: str, metadata: Mapping[str, str], *, task_status: TaskStatus[_Held]
    ) -> None:
        """Be in a group: entered and left in one task, as join() has to be."""
        async with self._joined(group, self._member, metadata) as membership:
            held = _Held(membership)
            task_status.started(held)
            await held.leave.wait()
        held.left.set()

    async def _let_go(self, group: str) -> None:
        held = self._held[group]
        held.leave.set()
        await held.left.wait()
        self._held.pop(group, None)

    @asynccontextmanager
    async def _joined(
        self, group: str, member: str, metadata: Mapping[str, str]
    ) -> AsyncIterator[Membership]:
        settings = self._options.settings
        options = JoinOptions(
            group=group,
            member=member,
            metadata=metadata,
            interval=settings.interval,
            zone=settings.zone,
            owner=settings.owner,
            namespace=settings.namespace,
        )
        for key in ("member_key", "ca_file", "cert_file", "key_file"):
            if value := getattr(settings, key):
                options[key] = value
        async with join(settings.store, **options) as membership:
            yield membership

    async def _exists(self, group: str) -> bool:
        try:
            await self._client.group(group)
        except NotFound:
            return False
        return True

    async def _known(self, group: str, member: str) -> MemberAnswer:
        """Return what is told of a member; raise what Tooz has where it or its group is not there."""
        try:
            return await self._client.member(group, member)
        except NotFound:
            if await self._exists(group):
                raise MemberNotJoined(identity_of(group), identity_of(member)) from None
            raise GroupNotCreated(identity_of(group)) from None

    async def _all(self, group: str, *, up: bool | None = None) -> list[MemberAnswer]:
        try:
            return [one async for one in self._client.members(group, up=up)]
        except NotFound:
            raise GroupNotCreated(identity_of(group)) from None

    async def _is_beating(self, group: str, member: str) -> bool:
        """Say whether somebody beats under this name, and not only did so before it died."""
        began, longest, pause = anyio.current_time(), 0.0, _FIRST_LOOK
        while True:
            try:
                answer = await self._client.member(group, member)
            except NotFound:
                return False
            patience = _MISSED * answer.interval + _AT_LEAST
            if not answer.up or answer.silent_for > patience:
                return False
            if answer.silent_for < longest or anyio.current_time() - began > patience:
                return True
            longest = answer.silent_for
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK)

    async def _must_tell(
        self, group: str, member: str, is_so: Callable[[MemberAnswer], bool]
    ) -> None:
        if not await self._tells(group, member, is_so):
            raise OperationTimedOut(
                f"no coordinator told what became of {member} in {group} within"
                f" {self._options.wait:g} s"
            )

    async def _tells(self, group: str, member: str, is_so: Callable[[MemberAnswer], bool]) -> bool:
        """Say whether the coordinator tells it so, as soon as it does."""
        pause = _FIRST_LOOK
        with anyio.move_on_after(self._options.wait):
            while True:
                with suppress(NotFound, NotReady, CoordinatorUnreachable):
                    if is_so(await self._client.member(group, member)):
                        return True
                await anyio.sleep(pause)
                pause = min(2 * pause, _LONGEST_LOOK)
        return False


def _is_up_by(membership: Membership) -> Callable[[MemberAnswer], bool]:
    incarnation = f"{membership.incarnation:016x}"
    return lambda answer: answer.up and answer.incarnation == incarnation


def _is_not_up_by(membership: Membership) -> Callable[[MemberAnswer], bool]:
    incarnation = f"{membership.incarnation:016x}"
    return lambda answer: not answer.up or answer.incarnation != incarnation


def _is_described_by(metadata: Mapping[str, str]) -> Callable[[MemberAnswer], bool]:
    return lambda answer: answer.metadata == metadata
