"""What an operator was told is done stays done, whenever the coordinator is killed."""

import random
import threading
import time
from contextlib import suppress
from itertools import cycle

import pytest

from musterd.errors import CoordinatorUnreachable
from musterd.model import FactsChange
from musterd.testing.busy import Patience
from musterd.testing.daemons import PATIENCE, Agent, Coordinator
from musterd.testing.servers import Database, Memcached

ROUNDS = 8


@pytest.mark.time_limit(120)  # a coordinator starts nine times
@pytest.mark.parametrize("home", ["sqlite", "postgresql"])
def test_no_acknowledged_fact_is_lost_to_kill_9(
    home: str, memcached: Memcached, request: pytest.FixtureRequest
) -> None:
    settings = {}
    if home == "postgresql":
        database: Database = request.getfixturevalue("database")
        settings["registry"] = database.dsn
    names = ["host-0", "host-1", "host-2"]
    luck = random.Random(20260101)
    acknowledged: dict[str, str] = {}
    with (
        Coordinator(memcached.url, **settings) as coordinator,
        Agent(memcached.url, *names),
    ):
        for _ in range(ROUNDS):
            _wait_for(coordinator, names)
            for name, reason in acknowledged.items():
                answer = coordinator.client.member("compute", name)
                assert (answer.forced_down, answer.forced_down_reason) == (True, reason)
                assert (answer.disabled, answer.disabled_reason) == (True, reason)
            for name in names:
                _order(coordinator, name, acknowledged)
            killer = threading.Timer(luck.uniform(0.005, 0.25), coordinator.kill)
            killer.start()
            with suppress(CoordinatorUnreachable):
                for name in cycle(names):
                    _order(coordinator, name, acknowledged)
            killer.join()
            coordinator.start()
    assert len(acknowledged) >= len(names) - 1  # all but the one in flight


def _order(coordinator: Coordinator, name: str, acknowledged: dict[str, str]) -> None:
    """Change its facts, noting what the coordinator said is done."""
    reason = f"order {time.monotonic_ns()}"
    acknowledged.pop(name, None)  # until it is answered, the old or the new one may stand
    change = FactsChange(disabled=True, forced_down=True, reason=reason)
    coordinator.client.change_facts("compute", name, change)
    acknowledged[name] = reason


def _wait_for(coordinator: Coordinator, names: list[str]) -> None:
    patience = Patience(PATIENCE)
    while not set(names) <= set(coordinator.states()):
        assert not patience.is_over, "the members are not on the roll"
        time.sleep(0.05)
