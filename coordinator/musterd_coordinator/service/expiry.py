"""The module forgets members that said goodbye, and those that their store lists no more.

The first is for fleets of short-lived names that never return.
"""

from collections.abc import Callable

import anyio
import structlog

from musterd.errors import RegistryError
from musterd.model import Member
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.service.deletion_clock import DeletionClock
from musterd_coordinator.service.orders import CoordinatorService

log = structlog.get_logger(__name__)

PERIOD = 5.0
PORTION = 500
"""Members forgotten at a time: a transaction, and as long as operators' orders wait for it."""


class LeftReaper:
    """A `LeftReaper` forgets members that left, of which no operator said anything.

    They left at least ``after`` seconds ago. None in ``after``: no member is forgotten, until
    another value is set.
    """

    def __init__(
        self, view: RollView, office: CoordinatorService, after: float | None, clock: DeletionClock
    ) -> None:
        self._view = view
        self._office = office
        self.after = after
        self._clock = clock

    async def run(self) -> None:
        """Look for them every few seconds, for ever."""
        while True:
            await anyio.sleep(PERIOD)
            await self.once()

    async def once(self) -> None:
        """Forget those that are due. While the registry is away, they are left to the next time."""
        while self.after is not None and len(rows := self._due(self.after)):
            try:
                await self._office.forget_left(list(map(self._view.member, rows.tolist())))
            except RegistryError:
                return

    def _due(self, after: float) -> Rows:
        clocks = self._view.clocks
        rows, gone_for = self._view.left(self._clock.now(clocks.wall(), clocks.monotonic()))
        due = rows[gone_for >= after]
        return due[[self._view.facts(row) is None for row in due.tolist()]][:PORTION]


FEW, SHARE = 5, 1 / 3
"""Members that may be gone from a store at once, or a share of all: where more are, its table may be
another one, or was lost. Operators may forget those."""


class UnlistedReaper:
    """An `UnlistedReaper` forgets members that Nova lists no more: their services were deleted there.

    They are remembered for ``after()`` seconds, or for ever where they are many.
    """

    def __init__(
        self, view: RollView, office: CoordinatorService, after: Callable[[], float]
    ) -> None:
        self._view = view
        self._office = office
        self._after = after
        self._since: dict[tuple[str, str], float] = {}
        self._said = 0

    async def run(self) -> None:
        """Look for them every few seconds, for ever."""
        while True:
            await anyio.sleep(PERIOD)
            await self.once()

    async def once(self) -> None:
        """Forget those that are due. While the registry is away, they are left to the next time."""
        due = self._due(self._view.clocks.monotonic())
        for begin in range(0, len(due), PORTION):
            try:
                await self._office.forget_unlisted(due[begin : begin + PORTION])
            except RegistryError:
                return

    def _due(self, now: float) -> list[Member]:
        members = list(map(self._view.member, self._view.unlisted().tolist()))
        names = [(member.group, member.name) for member in members]
        self._since = {name: self._since.get(name, now) for name in names}
        if self._are_many(len(members)):
            return []
        after = self._after()
        named = zip(members, names, strict=True)
        return [member for member, name in named if now - self._since[name] >= after]

    def _are_many(self, count: int) -> bool:
        many = count > max(FEW, SHARE * len(self._view))
        if many and count > self._said:
            log.warning(
                "services gone from Nova",
                count=count,
                members=len(self._view),
                note="they are neither judged nor forgotten: is it the right table? Those that are gone"
                " for good, `musterd forget` forgets",
            )
        self._said = max(self._said, count) if many else 0
        return many
