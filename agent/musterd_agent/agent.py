"""The members of one process beat to the shards that they share."""

import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

import anyio

from musterd import ages
from musterd.agentfile import boot_clock
from musterd.ages import Slept
from musterd.beat import Status, member_id, new_incarnation
from musterd.keys import Keyring
from musterd.loop_clock import clock_of_loop
from musterd.renewal import Renewable, keep_looking
from musterd.settings.settings import MemberSettings, Settings
from musterd.stores.base import Store
from musterd_agent.beating import Beating
from musterd_agent.link import MemberPush
from musterd_agent.loop import MemberLoop
from musterd_agent.metrics import AgentFigures, MemberFigures, ShardFigures
from musterd_agent.renewal import Renewal
from musterd_agent.shard import BeatTarget

LEAVE_TIMEOUT = 1.5  # seconds; a process that was told to stop must be gone within two
_CLOSE_TIMEOUT = 0.2


class Agent:
    """An ``Agent`` beats for all members of ``settings`` until told to leave.

    It is made inside a running loop. ``changed`` is called whenever :attr:`summary` may have
    changed. ``keys`` are those of the store, and taken when they are renewed. ``rng`` jitters
    retries; ``wall_clock`` gives Unix seconds, which are carried for people and decide nothing;
    ``incarnation`` is drawn at random where None. ``slept`` gives the seconds that the host was
    asleep.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        keys: Renewable[Keyring] | None = None,
        changed: Callable[[], None] = lambda: None,
        rng: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
        incarnation: int | None = None,
        slept: Slept = ages.slept,
    ) -> None:
        self._store = store
        self._settings = settings
        self._keys = keys
        self._changed = changed
        self._rng = rng or Random()
        self._wall_clock = wall_clock
        self._started = wall_clock()
        self._clock = clock_of_loop()
        self.slept = slept
        self._shards: dict[int, BeatTarget] = {}
        self.incarnation = incarnation or new_incarnation()
        # The store's own deadlines are those of the most hurried member, so that no push has longer.
        self._most_hurried = settings.effective_push_timeout
        self.loops = tuple(self._loop_of(member) for member in settings.members)

    @property
    def shards(self) -> tuple[str, ...]:
        """Return the names of the shards that its members beat to."""
        return tuple(shard.name for shard in self._shards.values())

    @property
    def summary(self) -> str:
        """Say how it goes, in one line for an operator."""
        shards = self._shards.values()
        lost = next((shard for shard in shards if shard.is_lost), None)
        beating = sum(shard.is_beating for shard in shards)
        if lost and not beating:
            return f"waiting for {lost.name}: {lost.reason}"
        text = f"beating to {beating} of {len(shards)} shards"
        return f"{text}; {lost.name}: {lost.reason}" if lost else text

    async def run(self) -> None:
        """Beat for every member until cancelled."""
        async with anyio.create_task_group() as tasks:
            for loop in self.loops:
                tasks.start_soon(loop.run)
            if self._keys is not None and self._keys.paths:
                tasks.start_soon(keep_looking, self._keys)

    def figures(self) -> AgentFigures:
        """Return how it fares at this moment, in figures."""
        now = self._clock()
        return AgentFigures(
            incarnation=self.incarnation,
            started=self._started,
            wall=self._wall_clock(),
            boot=boot_clock(),
            overdue=max(0.0, self.overdue()),
            members=tuple(
                MemberFigures(
                    *(member.group, member.member, member.interval),
                    allowed=self._settings.push_timeout_for(member.interval),
                    counters=loop.counters,
                    accepted_age=loop.age(now),
                )
                for member, loop in zip(self._settings.members, self.loops, strict=True)
            ),
            shards=tuple(ShardFigures(one.name, one.is_beating) for one in self._shards.values()),
        )

    def overdue(self) -> float:
        """Return the seconds by which the latest member's loop is late: what tells a stuck one."""
        return max(loop.overdue() for loop in self.loops)

    async def leave(self) -> int:
        """Say that all members are leaving; return how many shards took it.

        Each shard counts at most once for each member. Call it when :meth:`run` has ended. It takes
        at most LEAVE_TIMEOUT seconds.
        """
        took: list[int] = []

        async def say(loop: MemberLoop) -> None:
            loop.status = Status.LEAVING
            took.append(await loop.report(LEAVE_TIMEOUT))

        async with anyio.create_task_group() as tasks:
            for loop in self.loops:
                tasks.start_soon(say, loop)
        return sum(took)

    async def aclose(self) -> None:
        """Close the connections."""
        with anyio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            for shard in self._shards.values():
                with suppress(Exception):
                    await shard.writer.aclose()

    def _loop_of(self, member: MemberSettings) -> MemberLoop:
        announced = member.announced()
        number = member_id(self._settings.namespace, announced.group, announced.name)
        timeout = self._settings.push_timeout_for(member.interval)
        links = [
            MemberPush(announced, self._shard(shard), timeout, self._rng, self.slept, self._clock)
            for shard in self._store.place(number)
        ]
        allowed = min(timeout, self._most_hurried)
        beating = Beating(number, member.interval, self.incarnation, allowed)
        return MemberLoop(beating, links, self._wall_clock, self._clock)

    def _shard(self, index: int) -> BeatTarget:
        if index not in self._shards:
            interval = min(member.interval for member in self._settings.members)
            renewal = Renewal(interval, self._settings.service_down_time, self._rng)
            self._shards[index] = BeatTarget(self._store.writer(index), self._changed, renewal)
        return self._shards[index]
