"""The driver is what Tooz loads for ``musterd://``."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio
import tooz
from tooz.coordination import (
    Characteristics,
    CoordAsyncResult,
    CoordinationDriverCachedRunWatchers,
    CoordinatorResult,
    ToozConnectionError,
)

from musterd.answers import MemberAnswer
from musterd.client import AsyncClient
from musterd.errors import CoordinatorUnreachable, MusterdError, NotReady
from musterd.settings.login import token_of
from musterd_agent.tooz.background import Background
from musterd_agent.tooz.capabilities import capabilities_in
from musterd_agent.tooz.groups import FAREWELL, Groups
from musterd_agent.tooz.names import name_of
from musterd_agent.tooz.options import read_options

_R = TypeVar("_R")
_END_TIMEOUT = FAREWELL + 2.0

Id = bytes | str
Capabilities = dict[str, Any]


class MusterdDriver(CoordinationDriverCachedRunWatchers):  # type: ignore[misc, unused-ignore]  # without the extra, mypy does not know it
    """A ``MusterdDriver`` is a member that joins groups of musterd, and asks who is in them.

    There are no locks and no leaders. A member whose program does not call :meth:`heartbeat` for
    ``timeout`` seconds is out of its groups until it does.
    """

    CHARACTERISTICS = (
        Characteristics.DISTRIBUTED_ACROSS_THREADS,
        Characteristics.DISTRIBUTED_ACROSS_PROCESSES,
        Characteristics.DISTRIBUTED_ACROSS_HOSTS,
    )

    def __init__(
        self, member_id: bytes, parsed_url: Any, options: dict[str, Sequence[Any]]
    ) -> None:
        super().__init__(member_id, parsed_url, options)
        with _translated():
            self._name = name_of("member", member_id)
            self._given = read_options(
                parsed_url.scheme, parsed_url.netloc, parsed_url.path, options, os.environ
            )
        self._background: Background[Groups] | None = None
        self._process = 0

    def _start(self) -> None:
        background = Background(self._groups)
        with _translated():
            background.start()
        self._background, self._process = background, os.getpid()

    def _stop(self) -> None:
        background, self._background = self._background, None
        if background is not None and os.getpid() == self._process:
            background.stop(_END_TIMEOUT)

    @asynccontextmanager
    async def _groups(self) -> AsyncIterator[Groups]:
        settings = self._given.settings
        client = AsyncClient(
            settings.coordinator,
            self._given.wait,
            token=token_of(self._given.loaded),
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
        )
        async with client:
            with suppress(NotReady):
                await client.groups()  # or there is no coordinator
            async with anyio.create_task_group() as tasks:
                groups = Groups(client, tasks, self._name, self._given)
                tasks.start_soon(groups.watch_pulse)
                try:
                    yield groups
                finally:
                    with anyio.CancelScope(shield=True):
                        await groups.leave_all()
                    tasks.cancel_scope.cancel()

    def _do(self, call: Callable[[Groups], Awaitable[_R]]) -> CoordAsyncResult[_R]:
        if self._background is None:
            raise tooz.ToozError("the driver is not started")
        if os.getpid() != self._process:
            raise tooz.ToozError("the driver was started before a fork; start one in the child")
        return CoordinatorResult(self._background.do(call), _translated)

    def _at(self, group_id: Id, call: Callable[[Groups, str], Awaitable[_R]]) -> Any:
        with _translated():
            group = name_of("group", group_id)
        return self._do(lambda groups: call(groups, group))

    # What Tooz asks, in its own words

    def create_group(self, group_id: Id) -> Any:
        return self._at(group_id, Groups.create)

    def get_groups(self) -> Any:
        return self._do(Groups.names)

    def delete_group(self, group_id: Id) -> Any:
        return self._at(group_id, Groups.delete)

    def join_group(self, group_id: Id, capabilities: Capabilities | None = None) -> Any:
        return self._at(group_id, lambda groups, name: groups.join(name, capabilities))

    def leave_group(self, group_id: Id) -> Any:
        return self._at(group_id, Groups.leave)

    def update_capabilities(self, group_id: Id, capabilities: Capabilities) -> Any:
        return self._at(group_id, lambda groups, name: groups.describe(name, capabilities))

    def get_members(self, group_id: Id) -> Any:
        async def names(groups: Groups, name: str) -> set[bytes]:
            return set(await groups.members(name))

        return self._at(group_id, names)

    def get_members_with_capabilities(self, group_id: Id) -> Any:
        async def told(groups: Groups, name: str) -> dict[bytes, Any]:
            members = (await groups.members(name)).items()
            return {identity: capabilities_in(one.metadata) for identity, one in members}

        return self._at(group_id, told)

    def get_member_capabilities(self, group_id: Id, member_id: Id) -> Any:
        return self._of_member(group_id, member_id, lambda answer: capabilities_in(answer.metadata))

    def get_member_info(self, group_id: Id, member_id: Id) -> Any:
        return self._of_member(group_id, member_id, _info)

    def _of_member(
        self, group_id: Id, member_id: Id, what: Callable[[MemberAnswer], _R]
    ) -> CoordAsyncResult[_R]:
        async def told(groups: Groups, group: str) -> _R:
            return what(await groups.member(group, name_of("member", member_id)))

        result: CoordAsyncResult[_R] = self._at(group_id, told)
        return result

    def heartbeat(self) -> float:
        """Say that the program is alive; return the seconds until that has to be said again.

        Raises ToozConnectionError while no beat gets through: others may soon take over.
        """
        silent = self._do(Groups.feel).get()
        timeout = self._given.timeout
        if silent > timeout:
            raise ToozConnectionError(f"no beat got through to the store for {silent:.0f} s")
        return timeout

    def watch_elected_as_leader(self, group_id: Id, callback: Any) -> None:
        raise tooz.NotImplemented("musterd elects no leaders")


def _info(answer: MemberAnswer) -> dict[str, Any]:
    heard = datetime.now(UTC) - timedelta(seconds=answer.silent_for)
    return {
        "capabilities": capabilities_in(answer.metadata),
        "created_at": answer.since,
        "updated_at": heard,
    }


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what Tooz has for an error of musterd's."""
    try:
        yield
    except (CoordinatorUnreachable, NotReady) as error:
        raise ToozConnectionError(str(error), error) from error
    except MusterdError as error:
        raise tooz.ToozError(str(error), error) from error
