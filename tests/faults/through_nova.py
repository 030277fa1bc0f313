"""Who asks Nova 34 itself for every member of the fault lab, by its own call, through a door."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.asker import NovaAsker, options_of

from musterd.model import State
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Coordinator, NovaDaemon
from tests.faults.observer import POLL, Sample

BACKEND = "oslo_cache.memcache_pool"


class NovaObserver(threading.Thread):
    """Asks for all ``names``, again and again, and keeps the answers from when each was first up."""

    def __init__(self, nova: NovaAsker, names: Callable[[], Sequence[str]], epoch: float) -> None:
        super().__init__(daemon=True)
        self.samples: list[Sample] = []
        self._nova = nova
        self._names = names
        self._epoch = epoch
        self._over = threading.Event()
        self._known: set[str] = set()

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._over.wait(POLL):
            told = self._nova.ask(list(self._names()))
            self._known |= {name for name, (up, _) in told.items() if up}
            states: dict[str, str] = {
                name: State.UP if up else State.DOWN
                for name, (up, _) in told.items()
                if name in self._known
            }
            self.samples.append(
                Sample(
                    at=time.monotonic() - self._epoch,
                    states=states,
                    fresh=0,
                    listening=True,
                    heard=0,
                    reasons=(),
                    listening_time=0.0,
                )
            )

    def stop(self) -> None:
        """Ask no more."""
        self._over.set()
        self.join()

    def is_dead(self, name: str) -> bool:
        """Say whether the newest answer was that it is down."""
        return bool(self.samples) and self.samples[-1].states.get(name) == State.DOWN


@contextmanager
def asking_nova(
    python: Path, coordinator: Coordinator, names: Callable[[], Sequence[str]], epoch: float
) -> Iterator[NovaObserver]:
    """Have Nova ask a door that follows ``coordinator``, as long as the context lasts."""
    down_time = coordinator.settings["service_down_time"]
    with NovaDaemon(f"http://{coordinator.address}", service_down_time=down_time) as door:
        options = options_of(BACKEND, door.address, socket_timeout=allowed_now(1.0))
        with NovaAsker(python, options) as nova:
            observer = NovaObserver(nova, names, epoch)
            observer.start()
            try:
                yield observer
            finally:
                observer.stop()
