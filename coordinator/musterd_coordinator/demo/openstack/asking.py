"""Who is up is asked of everybody all the while: of Nova on its controllers, and of a coordinator."""

from pathlib import Path

import anyio
from anyio.abc import TaskStatus

from musterd.client import AsyncClient
from musterd.errors import MusterdError
from musterd.status import StatusAnswer
from musterd_coordinator.demo.openstack.opinions import Opinions
from musterd_coordinator.demo.openstack.process import NovaProcess

PERIOD = 0.2  # seconds between two questions
CONTROLLER = Path(__file__).with_name("controller.py")


class Controller:
    """A `Controller` is a Nova that is asked for all hosts, again and again.

    ``driver`` is the one by which it knows. A question that it could not answer is in ``failed``.
    """

    def __init__(self, python: Path, log: Path, conf: Path) -> None:
        self._python, self._log, self._conf = python, log, conf
        self.opinions = Opinions()
        self.driver = self.failed = ""
        self._scope = anyio.CancelScope()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Ask until it is stopped; it has started with its first answer."""
        words = CONTROLLER, self._conf
        with self._scope:
            async with NovaProcess.running(self._python, self._log, *words) as nova:
                self.driver = nova.ready["driver"]
                await self._ask(nova)
                task_status.started()
                while True:
                    await anyio.sleep(PERIOD)
                    await self._ask(nova)

    def stop(self) -> None:
        """End it."""
        self._scope.cancel()

    async def _ask(self, nova: NovaProcess) -> None:
        answer = await nova.order("ask")
        self.failed = answer.get("failed", self.failed)
        if "down" in answer:
            self.opinions.take(anyio.current_time(), answer["down"])


class StatusFollower:
    """A `StatusFollower` has what a coordinator last said of itself; None while it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.status: StatusAnswer | None = None

    async def run(self) -> None:
        """Ask for ever."""
        async with AsyncClient(self._url) as client:
            while True:
                try:
                    self.status = await client.status()
                except MusterdError:
                    self.status = None
                await anyio.sleep(PERIOD)

    @property
    def listening(self) -> bool:
        """Say whether it is there and hears what it watches."""
        return self.status is not None and self.status.ready and self.status.listening
