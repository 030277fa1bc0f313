"""Masakari's host monitor, which asks as one asks Consul, hears of deaths and of no outage."""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from musterd.testing.busy import Patience, allowed_now
from musterd.testing.daemons import PATIENCE, Agent, Coordinator
from musterd.testing.servers import Memcached

Health = dict[str, str]


class Monitor:
    """A `Monitor` looks as Masakari's ``consul_helper`` does, and remembers whom it took for dead."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._url = f"http://{coordinator.address}/v1/agent/members"
        self.dead: set[str] = set()

    def look(self) -> Health | None:
        """Return ``up`` or ``down`` by host; None: an error, which leaves all as it was."""
        try:
            with urlopen(self._url, timeout=allowed_now(5.0)) as answer:  # noqa: S310  # our own
                members = json.load(answer)
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            error.close()
            return None
        health = {each["Name"]: "up" if each["Status"] == 1 else "down" for each in members}
        self.dead |= {name for name, state in health.items() if state == "down"}
        return health

    def until(self, true: Callable[[Health | None], bool]) -> None:
        """Look until ``true`` is so."""
        patience = Patience(PATIENCE)
        while not true(self.look()):
            assert not patience.is_over
            time.sleep(0.1)


@pytest.mark.time_limit(60)  # an outage longer than the down time, and then a death
def test_it_hears_of_a_death_and_of_no_outage(memcached: Memcached) -> None:
    down_time = allowed_now(3.0)
    with (
        Coordinator(memcached.url, service_down_time=down_time, sweep_period=0.2) as coordinator,
        Agent(memcached.url, "h1") as living,
        Agent(memcached.url, "h2") as mortal,
    ):
        monitor = Monitor(coordinator)
        monitor.until(lambda health: health == {"h1": "up", "h2": "up"})
        memcached.stop()
        monitor.until(lambda health: health is None)
        time.sleep(down_time)  # the outage under test: longer than anybody may be silent
        memcached.start()
        monitor.until(lambda health: health == {"h1": "up", "h2": "up"})
        assert monitor.dead == set()
        mortal.kill()
        monitor.until(lambda health: health == {"h1": "up", "h2": "down"})
        living.stop()
        monitor.until(lambda health: health == {"h1": "down", "h2": "down"})
