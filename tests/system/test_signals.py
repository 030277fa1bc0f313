"""Daemons and the signals that people and scripts send them."""

import signal
import time
from collections.abc import Callable

from musterd.model import State
from musterd.testing import keeper
from musterd.testing.busy import Patience
from musterd.testing.daemons import PATIENCE, Agent, Coordinator, Daemon, Relay, Watch, all_in, toml
from musterd.testing.servers import Database, held_port


def until(true: Callable[[], bool], what: Callable[[], str]) -> None:
    """Wait until it is true."""
    patience = Patience(PATIENCE)
    while not true():
        assert not patience.is_over, what()
        time.sleep(0.02)


def reload(daemon: Daemon, word: str, **settings: float | str) -> None:
    """Write its file anew, hang up, and wait until it says ``word`` of it."""
    (daemon.directory / "musterd.toml").write_text(toml({**daemon.settings, **settings}))
    keeper.send(daemon.pid, signal.SIGHUP)
    until(lambda: word in daemon.log, lambda: daemon.log)


def test_a_coordinator_goes_by_its_new_settings_and_nobody_notices() -> None:
    with held_port() as port:
        store = f"embedded://127.0.0.1:{port}"
        with Coordinator(store, service_down_time=60.0) as coordinator, Agent(store, "a") as agent:
            watch = Watch(coordinator)
            watch.until(all_in(State.UP, "a"), "up")
            reload(coordinator, "60.0 -> 3.0", service_down_time=3.0, sweep_timeout=1.0)
            assert "sweep_timeout" in coordinator.log
            assert coordinator.client.status().service_down_time == 3.0
            reload(coordinator, "configuration refused", service_down_time=-1)
            assert coordinator.client.status().service_down_time == 3.0
            agent.kill()
            watch.until(all_in(State.DOWN, "a"), "down by the new down time")
            assert coordinator.is_running


def test_hangups_end_no_relay(database: Database) -> None:
    with Coordinator(database.dsn), Relay(database.dsn) as relay:
        reload(relay, "info -> error", log_level="error", relay_period=0.2)
        assert "relay_period" in relay.log
        for _ in range(5):
            keeper.send(relay.pid, signal.SIGHUP)
        assert relay.is_running
        relay.stop()
