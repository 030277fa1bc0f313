"""The module is musterd's side of "who is up?": what a coordinator does for it, and a scheduler."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from anyio.from_thread import BlockingPortal

from benchmarks.fleet import GROUP, Fill, Fleet, rewrite, some
from benchmarks.peers.beats import DOWN_TIME, TIMEOUT
from musterd.client import Client, Replica
from musterd.errors import NotFound, NotReady
from musterd.model import State
from musterd.settings.settings import Settings
from musterd.stores import open_store
from musterd.testing.daemons import Coordinator
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.shard import Clocks
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.wiring import make_roll, make_sweepers

View = tuple[int, float]
"""How many are up, and the seconds that it took to know."""


PATIENCE = 60.0


class Crowd:
    """A `Crowd` is the same members in one store or in several."""

    def __init__(self, portal: BlockingPortal, fleet: Fleet, *fills: Fill) -> None:
        self._portal = portal
        self._fleet = fleet
        self._fills = fills
        self.names = fleet.names
        for fill in fills:
            portal.call(fill.fill)

    def beat(self, share: float = 1.0) -> None:
        """Let a ``share`` of them, chosen at random, beat once, in random order."""
        order = some(self._fleet, share)
        for fill in self._fills:
            self._portal.call(rewrite, fill, order)

    def close(self) -> None:
        """Close the connections."""
        for fill in self._fills:
            self._portal.call(fill.aclose)


class Watcher:
    """A `Watcher` is a coordinator's sweeps and judgement in this process, one at a time."""

    def __init__(self, portal: BlockingPortal, url: str) -> None:
        self._portal = portal
        settings = Settings(store=url, service_down_time=DOWN_TIME)
        store = open_store(url, namespace=settings.namespace, timeout=TIMEOUT, beat_ttl=DOWN_TIME)
        self._roll = make_roll(settings, store, Clocks(time.monotonic, time.time))
        (self._sweeper,) = make_sweepers(settings, store, self._roll)

    def prepare(self) -> None:
        """Sweep until it knows which members are there, which it reads in portions."""
        deadline = time.monotonic() + PATIENCE
        while not self._sweep().proven:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the members are not known after {PATIENCE:g} s")

    def view(self) -> View:
        """Read every beat of the store, with the canary and every check, and judge."""
        start = time.perf_counter()
        swept = self._sweep()
        up = tally.states(Queries(self._roll.view).tally().all)[State.UP]
        assert swept.proven, swept.reason
        return up, time.perf_counter() - start

    def close(self) -> None:
        """Close its connections."""
        self._portal.call(self._sweeper.reader.aclose)

    def _sweep(self) -> SweepOutcome:
        swept = self._portal.call(self._sweeper.once)
        self._roll.apply(0, swept)
        return swept


class Scheduler:
    """A `Scheduler` asks a coordinator about the same members again and again."""

    def __init__(self, portal: BlockingPortal, address: str, names: Sequence[str]) -> None:
        self._portal = portal
        self._names = names
        self._url = f"http://{address}"
        self._client = Client(self._url, timeout=TIMEOUT)

    def wait(self, beat: Callable[[], None]) -> None:
        """Wait until the coordinator has heard all of them, which beat meanwhile."""
        deadline = time.monotonic() + PATIENCE
        while self._up() < len(self._names):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the coordinator has not heard everybody in {PATIENCE:g} s")
            beat()
            time.sleep(0.5)

    def ask(self) -> View:
        """Ask for a verdict on each of them by name, over one connection."""
        start = time.perf_counter()
        answer = self._client.query(GROUP, self._names)
        up = sum(verdict.up for verdict in answer.members.values())
        return up, time.perf_counter() - start

    def look(self, times: int) -> list[View]:
        """Look into a local replica, which the coordinator keeps up to date."""
        return self._portal.call(self._look, times)

    def close(self) -> None:
        """Close its connection."""
        self._client.close()

    def _up(self) -> int:
        try:
            return self._client.group(GROUP).states.get(State.UP, 0)
        except (NotFound, NotReady):
            return 0

    async def _look(self, times: int) -> list[View]:
        async with Replica(self._url, GROUP) as replica:
            await replica.wait_ready()
            return [self._look_once(replica) for _ in range(times)]

    def _look_once(self, replica: Replica) -> View:
        start = time.perf_counter()
        up = sum(map(replica.is_up, self._names))
        return up, time.perf_counter() - start


def coordinator(url: str) -> AbstractContextManager[Coordinator]:
    """Return a real coordinator on the store of ``url``, with a registry of its own."""
    return Coordinator(url, service_down_time=DOWN_TIME, registry="sqlite:///registry.db")
