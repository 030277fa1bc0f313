"""What a story of an OpenStack is played with: all processes, who is dead by now, and who says what."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from musterd.model import State
from musterd.testing.busy import allowed_now
from musterd_coordinator.demo.board import PERIOD, Board, until
from musterd_coordinator.demo.openstack.asking import Controller, StatusFollower
from musterd_coordinator.demo.openstack.cast import NovaCast
from musterd_coordinator.demo.openstack.process import NovaProcess

T = TypeVar("T")


class Play:
    """A `Play` has Nova's hosts, a Nova that asks its database, one that asks the door, and musterd."""

    def __init__(
        self, python: Path, cast: NovaCast, hosts: NovaProcess, board: Board, tasks: TaskGroup
    ) -> None:
        self.python, self.cast, self._hosts, self._tasks = python, cast, hosts, tasks
        self.board = board
        self.names: list[str] = hosts.ready["hosts"]
        self.dead = set[str]()
        self.musterd = StatusFollower(cast.url)
        self.by_db, self.by_door = self.controller(cast.by_db), self.controller(cast.by_door)

    def controller(self, conf: Path) -> Controller:
        """Return a Nova with this nova.conf, which does not run yet."""
        return Controller(self.python, conf.with_suffix(".log"), conf)

    async def start(self, controller: Controller) -> None:
        """Start it, until it answered once."""
        await self._tasks.start(controller.run)

    async def do(self, blocking: Callable[[], T]) -> T:
        """Do something that blocks, in a thread; return what comes of it."""
        return await to_thread.run_sync(blocking)

    async def stop(self, host: str) -> None:
        """Let a host report no more."""
        self.dead.add(host)
        await self._hosts.order("stop", host=host)

    async def until(self, true: Callable[[], bool], within: float) -> float | None:
        """Return the seconds until it is so; None when not within so many of an idle machine."""
        return await until(true, allowed_now(within))

    def begin(self) -> None:
        """Keep anew who is called down wrongly."""
        for each in (self.by_db, self.by_door):
            each.opinions.begin()

    def watched(self) -> int:
        """Return how many are up by the coordinator, 0 while it does not answer."""
        status = self.musterd.status
        return 0 if status is None else status.states.get(State.UP, 0)

    async def show(self) -> None:
        """Show it all on the board, for ever."""
        while True:
            nova = len(self.names) - len(self.by_db.opinions.down)
            hearing = "listening" if self.musterd.listening else "NOT LISTENING"
            self.board.show("musterd", self.watched(), f"; by Nova's own rule {nova}; {hearing}")
            await anyio.sleep(PERIOD)
