"""Whatever is restarted, hangs or dies, Nova's own call never says of a living host that it is down.

Nova asks for every host a hundred times a second meanwhile. The door is started by a stand-in for
systemd, which holds its socket and its connections. Clients wait for an answer as long as they do by
default, which is longer on a busy machine.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.peers.asker import BACKENDS, Options, options_of

from musterd.testing.busy import allowed_now
from musterd.testing.manager import ServiceManager
from tests.managed_door import address_of, managed
from tests.nova.conftest import HOSTS, Cloud, StartNova
from tests.patiently import until

NOVAS_DEAD_RETRY = 300
"""Seconds that python-memcached holds a server for dead, while nobody sets it."""

Trouble = Callable[[Cloud, ServiceManager], None]


def _upgraded(cloud: Cloud, manager: ServiceManager) -> None:
    for _ in range(3):
        manager.stop(signal.SIGTERM)
        manager.start().wait_for("READY")


def _alone(cloud: Cloud, manager: ServiceManager) -> None:
    cloud.coordinator.kill()
    until(lambda: "by what it knew" in manager.words.get("STATUS", ""), "told")
    _upgraded(cloud, manager)
    cloud.coordinator.start()


def _coordinator_restarted(cloud: Cloud, manager: ServiceManager) -> None:
    cloud.coordinator.kill()
    cloud.coordinator.start()


def _store_hung(cloud: Cloud, manager: ServiceManager) -> None:
    cloud.memcached.pause()
    time.sleep(2 * 4.0)  # twice the down time
    cloud.memcached.resume()


def _store_restarted(cloud: Cloud, manager: ServiceManager) -> None:
    cloud.memcached.restart()


def _everything_restarted(cloud: Cloud, manager: ServiceManager) -> None:
    cloud.memcached.restart()
    cloud.coordinator.kill()
    _upgraded(cloud, manager)
    cloud.coordinator.start()


TROUBLES: dict[str, Trouble] = {
    "the door is upgraded": _upgraded,
    "the same without a coordinator": _alone,
    "the coordinator is killed": _coordinator_restarted,
    "the store hangs": _store_hung,
    "the store loses everything": _store_restarted,
    "everything starts anew": _everything_restarted,
}


def options_for(backend: str, manager: ServiceManager, dead_retry: int) -> Options:
    host, port = address_of(manager)
    patience = {"socket_timeout": allowed_now(1.0), "memcache_dead_retry": dead_retry}
    return options_of(backend, f"{host}:{port}", **patience)


@pytest.mark.parametrize("trouble", TROUBLES)
def test_no_living_host_is_down(
    trouble: str, cloud: Cloud, start_nova: StartNova, tmp_path: Path
) -> None:
    with managed(cloud.url, tmp_path) as manager:
        manager.wait_for("READY")
        novas = {b: start_nova(options_for(b, manager, NOVAS_DEAD_RETRY)) for b in BACKENDS}
        for nova in novas.values():
            assert nova.is_up("h1")
            nova.begin("watch", hosts=HOSTS)
        until((tmp_path / "view").exists, "saved")
        TROUBLES[trouble](cloud, manager)
        time.sleep(3.0)  # and a while longer
        seen = {backend: nova.end_watch() for backend, nova in novas.items()}
    assert all(min(times.values()) > 100 for one in seen.values() for times in one.values())
    assert {word for one in seen.values() for times in one.values() for word in times} == {"up"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_door_that_is_killed_between_two_questions_is_missed_by_nobody(
    backend: str, cloud: Cloud, start_nova: StartNova, tmp_path: Path
) -> None:
    """What it had read and not answered is lost with it; what comes after waits for the next one."""
    with managed(cloud.url, tmp_path) as manager:
        manager.wait_for("READY")
        nova = start_nova(options_for(backend, manager, NOVAS_DEAD_RETRY))
        assert nova.is_up("h1")
        until((tmp_path / "view").exists, "saved")
        for _ in range(3):
            manager.stop(signal.SIGKILL)
            nova.begin("ask", hosts=HOSTS)
            manager.start()
            assert [up for up, _ in nova.finish()["hosts"].values()] == [True] * len(HOSTS)
            manager.wait_for("READY")


def test_a_host_that_dies_is_found_meanwhile(
    cloud: Cloud, start_nova: StartNova, tmp_path: Path
) -> None:
    with managed(cloud.url, tmp_path) as manager:
        manager.wait_for("READY")
        nova = start_nova(options_for(BACKENDS[0], manager, NOVAS_DEAD_RETRY))
        assert nova.is_up("h1")
        cloud.agents["h1"].kill()
        _upgraded(cloud, manager)
        until(lambda: not nova.is_up("h1"), "down")
        assert nova.is_up("h2")
