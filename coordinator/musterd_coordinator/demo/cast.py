"""The demo's processes are a store, a crowd of members, and three hosts of their own."""

from typing import Self

from musterd.testing.daemons import Agent, EmbeddedStore

GROUP = "compute"
HOSTS = 3
CROWD = 500  # members in one process, at most
INTERVAL = 1.0
SERVICE_DOWN_TIME = 4.0


class Cast:
    """A `Cast` is all processes of the story. Its calls block, a few milliseconds for each process."""

    def __init__(self, members: int) -> None:
        self.names = [f"host-{number:04d}" for number in range(1, members + 1)]
        self.hosts = self.names[-HOSTS:]
        self.store = EmbeddedStore()
        self.store_url = f"memcached://{self.store.address}"
        crowd = self.names[:-HOSTS]
        self._crowds = [
            self._agent(*crowd[first : first + CROWD]) for first in range(0, len(crowd), CROWD)
        ]
        self._hosts = [self._agent(name) for name in self.hosts]

    def start(self) -> None:
        """Start all of them."""
        for process in (self.store, *self._crowds, *self._hosts):
            process.start()

    def kill_hosts(self) -> None:
        """Pull the plug of the three hosts."""
        for process in self._hosts:
            process.kill()

    def start_hosts(self) -> None:
        """Bring the three hosts back."""
        for process in self._hosts:
            process.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in (*self._hosts, *self._crowds, self.store):
            process.kill()  # there is nobody left to say goodbye to
            process.close()

    def _agent(self, *members: str) -> Agent:
        return Agent(
            self.store_url,
            *members,
            service_down_time=SERVICE_DOWN_TIME,
            interval=INTERVAL,
            group=GROUP,
            zone="demo",
        )
