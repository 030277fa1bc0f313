"""The beat loop of one member."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
from anyio.abc import TaskGroup

from musterd.beat import Beat, Status
from musterd_agent.beating import Beating
from musterd_agent.link import Link


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of a member's beats since it joined.

    ``made`` counts beats; ``accepted`` and ``failed`` count pushes, one for each beat and shard;
    ``skipped`` counts pushes left out because the one before was still under way.
    """

    made: int
    accepted: int
    failed: int
    skipped: int


class MemberLoop:
    """Beats for one member: at once, then at every tick, to each of its shards on its own.

    A shard that is slow or dead delays neither the others nor the next tick: pushes are tasks of
    their own, and a shard whose push is still under way at a tick is left out of that tick.
    """

    def __init__(
        self, beating: Beating, links: Sequence[Link], wall_clock: Callable[[], float]
    ) -> None:
        self.due = anyio.current_time()
        self.first_accepted = anyio.Event()
        self._beating = beating
        self._links = links
        self._wall_clock = wall_clock
        self._skipped = 0

    @property
    def status(self) -> Status:
        """What the next beat says."""
        return self._beating.status

    @status.setter
    def status(self, status: Status) -> None:
        self._beating.status = status

    @property
    def last_accepted(self) -> float | None:
        """When a beat last got through to any shard, by the loop's clock."""
        accepted = [link.last_accepted for link in self._links if link.last_accepted is not None]
        return max(accepted, default=None)

    @property
    def counters(self) -> Counters:
        """The counts so far."""
        return Counters(
            made=self._beating.sequence,
            accepted=sum(link.accepted for link in self._links),
            failed=sum(link.failed for link in self._links),
            skipped=self._skipped,
        )

    async def run(self) -> None:
        """Beat until cancelled."""
        self.due = anyio.current_time()
        async with anyio.create_task_group() as pushes:
            while True:
                self._tick(pushes)
                self.due = self._beating.tick_after(anyio.current_time(), self.due)
                await anyio.sleep_until(self.due)

    async def report(self, within: float | None = None) -> int:
        """Beat once, out of turn, to all shards at once; how many of them took it.

        Each push is bounded by that many seconds (default: the push timeout).
        """
        took: list[Link] = []
        beat = self._beat(due=anyio.current_time())

        async def push(link: Link) -> None:
            if await self._push(link, beat, within):
                took.append(link)

        async with anyio.create_task_group() as pushes:
            for link in self._links:
                pushes.start_soon(push, link)
        return len(took)

    def _tick(self, pushes: TaskGroup) -> None:
        beat = self._beat(due=self.due)
        for link in self._links:
            if link.is_busy:
                self._skipped += 1
            else:
                pushes.start_soon(self._push, link, beat)

    def _beat(self, due: float) -> Beat:
        return self._beating.beat(now=anyio.current_time(), due=due, wall=self._wall_clock())

    async def _push(self, link: Link, beat: Beat, within: float | None = None) -> bool:
        taken = await link.push(beat, within)
        if taken and not self.first_accepted.is_set():
            self.first_accepted.set()
        return taken
