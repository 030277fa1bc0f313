"""The module has a local replica of one group, kept up to date from the events.

It is asked like a set in memory.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import anyio

from musterd import ages
from musterd.ages import Slept
from musterd.client.choice import Address
from musterd.client.follow import Follower
from musterd.client.view import GroupView
from musterd.errors import MusterdError
from musterd.logger import get_logger
from musterd.model import Verdict
from musterd.tls import client_tls_of

log = get_logger(__name__)


class Replica:
    """A ``Replica`` has verdicts on the members of ``group`` in memory, and waits for nothing.

    While no coordinator is reachable it keeps its last view: ``age`` says how old that is, and
    ``listening`` is false. A scheduler that must not act on old knowledge looks at ``age`` first.
    ``urls``, ``token`` and the files are as for Client; after a failure it follows the next one, and
    while one does not hear its store, another that does. It never changes a view for an older one: it
    takes none of a coordinator that has heard nothing for longer.
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        group: str,
        *,
        token: str | None = None,
        ca_file: str | None = None,
        cert_file: str | None = None,
        key_file: str | None = None,
        slept: Slept = ages.slept,
    ) -> None:
        self._view = GroupView(group)
        self._report = _Report(group)
        tls = client_tls_of(ca_file, cert_file, key_file)
        self._follower = Follower(urls, self._view, self._report, slept, token, tls)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        tasks = await self._stack.enter_async_context(anyio.create_task_group())
        self._stack.callback(tasks.cancel_scope.cancel)
        tasks.start_soon(self._follower.run)
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
        await self._report.ready.wait()

    def verdict(self, member: str) -> Verdict | None:
        """Return what is known of ``member``; None if the group had no such member."""
        return self._view.members.get(member)

    def is_up(self, member: str) -> bool:
        """Say whether it may be talked to. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.up

    def is_schedulable(self, member: str) -> bool:
        """Say whether work may be placed on it. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.schedulable

    def is_down(self, member: str) -> bool:
        """Say whether it may be evacuated. False also for one that is not known."""
        verdict = self.verdict(member)
        return verdict is not None and verdict.down

    def up(self) -> list[str]:
        """Return the names of all members that are up."""
        return [name for name, verdict in self._view.members.items() if verdict.up]

    def members(self) -> dict[str, Verdict]:
        """Return all members, as a copy."""
        return dict(self._view.members)

    @property
    def problem(self) -> str | None:
        """Return why no coordinator is followed; None while one is."""
        return self._report.problem

    @property
    def age(self) -> float:
        """Return the seconds since the store was last proven to be heard, asleep or awake.

        They are infinite before the first view.
        """
        return self._follower.age

    @property
    def listening(self) -> bool:
        """Say whether the coordinator hears the store, and this hears the coordinator."""
        return self._follower.connected and self._view.listening

    @property
    def version(self) -> int:
        """Return the version of the view; compare it only with one of the same coordinator's run."""
        return self._view.version


class _Report:
    """A ``_Report`` says how the following of ``group`` goes."""

    def __init__(self, group: str) -> None:
        self.ready = anyio.Event()
        self.problem: str | None = "not connected yet"
        self._group = group

    def on_connect(self, address: Address) -> None:
        self.problem = None
        self.ready.set()
        log.info("replica follows", coordinator=str(address), group=self._group)

    def on_update(self) -> None:
        """Do nothing: callers ask the replica themselves."""

    def on_disconnect(self, address: Address, error: MusterdError) -> None:
        if self.problem is None:
            log.warning(
                "replica lost", coordinator=str(address), group=self._group, reason=str(error)
            )
        self.problem = f"{address}: {error}"
