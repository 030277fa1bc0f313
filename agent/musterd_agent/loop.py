"""The module has the beat loop of one member."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio

from musterd.beat import Beat, Status
from musterd.loop_clock import Clock
from musterd.model import Member
from musterd_agent.beating import Beating
from musterd_agent.link import MemberPush


@dataclass(frozen=True, slots=True)
class Counters:
    """``Counters`` say what became of a member's beats since it joined.

    ``made`` counts beats; ``accepted`` and ``failed`` count pushes, one for each beat and shard.
    """

    made: int
    accepted: int
    failed: int


class MemberLoop:
    """A ``MemberLoop`` beats for one member: at once, then at every tick, to each shard on its own.

    Every shard has a task of its own on the same schedule, so that one that is slow or dead delays
    neither the others nor the next tick; a task that is still busy at a tick leaves that one out.
    """

    def __init__(
        self,
        beating: Beating,
        links: Sequence[MemberPush],
        wall_clock: Callable[[], float],
        clock: Clock = anyio.current_time,
    ) -> None:
        self.first_accepted = anyio.Event()
        self._beating = beating
        self._links = links
        self._wall_clock = wall_clock
        self._clock = clock
        self._latest: tuple[float, Beat] | None = None

    @property
    def status(self) -> Status:
        """Return what the next beat says."""
        return self._beating.status

    @status.setter
    def status(self, status: Status) -> None:
        self._beating.status = status

    @property
    def last_accepted(self) -> float | None:
        """Return when a beat last got through to any shard, by the loop's clock."""
        accepted = [link.last_accepted for link in self._links if link.last_accepted is not None]
        return max(accepted, default=None)

    def announce_as(self, member: Member) -> None:
        """Announce ``member``, the same with other facts, with the next beat to each shard."""
        for link in self._links:
            link.announce_as(member)

    def age(self, now: float) -> float | None:
        """Return the seconds since a beat last got through to any shard; None: never.

        Seconds asleep count too. ``now`` is the present by the loop's clock.
        """
        ages = (link.age(now) for link in self._links)
        return min((age for age in ages if age is not None), default=None)

    @property
    def counters(self) -> Counters:
        """Return the counts so far."""
        return Counters(
            made=self._beating.sequence,
            accepted=sum(link.accepted for link in self._links),
            failed=sum(link.failed for link in self._links),
        )

    def overdue(self) -> float:
        """Return the seconds by which its tasks are late, beyond what a push may take.

        They are known while it runs.
        """
        now = anyio.current_time()
        return max(now - link.due - link.push_timeout for link in self._links)

    async def run(self) -> None:
        """Beat until cancelled."""
        now = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            for link in self._links:
                link.due = now
                tasks.start_soon(self._keep_beating, link)

    async def report(self, within: float | None = None) -> int:
        """Beat once, out of turn, to all shards at once; return how many of them took it.

        Each push is bounded by that many seconds (default: the push timeout).
        """
        took: list[MemberPush] = []
        beat = self._make_beat(due=anyio.current_time())

        async def push(link: MemberPush) -> None:
            if await self._push(link, beat, within):
                took.append(link)

        async with anyio.create_task_group() as pushes:
            for link in self._links:
                pushes.start_soon(push, link)
        return len(took)

    async def _keep_beating(self, link: MemberPush) -> None:
        while True:
            taken = await self._push(link, self._beat_of(link.due))
            now = self._clock()
            link.due = self._beating.tick_after(now, link.due)
            if taken and link.is_to_renew(now):
                await link.renew(now)
            await anyio.sleep(max(0.0, link.due - self._clock()))

    def _beat_of(self, due: float) -> Beat:
        """Return the one beat of this tick, for whichever shard comes first and all that follow."""
        if self._latest is None or self._latest[0] < due:
            self._latest = due, self._make_beat(due)
        return self._latest[1]

    def _make_beat(self, due: float) -> Beat:
        return self._beating.beat(now=self._clock(), due=due, wall=self._wall_clock())

    async def _push(self, link: MemberPush, beat: Beat, within: float | None = None) -> bool:
        taken = await link.push(beat, within)
        if taken and not self.first_accepted.is_set():
            self.first_accepted.set()
        return taken
