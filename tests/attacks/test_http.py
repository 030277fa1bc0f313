"""What clients of the coordinator's port do to its verdicts, its memory and other clients."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from musterd.testing.processes import held_port
from musterd.testing.servers import Memcached
from tests.attacks import flood
from tests.attacks.attack import under_attack
from tests.faults.conftest import StartLab
from tests.faults.lab import CROWD, Lab
from tests.faults.locks import GROUP, Open

KIND = "one memcached, hostile clients"
EMBEDDED = "embedded, hostile clients"
EVENTS = b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LIST = b"GET /v1/groups/compute/members HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

pytestmark = [pytest.mark.full_only, pytest.mark.parametrize("storm_min", [0])]


@pytest.fixture
def lab(memcached: Memcached, start_lab: StartLab) -> Lab:
    return start_lab(memcached.url, kind=KIND)


def peak_memory(lab: Lab) -> int:
    """The most that the coordinator ever had, in bytes."""
    status = Path(f"/proc/{lab.coordinator.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("allowed", [256, 1024])
def test_more_idle_connections_than_descriptors(
    memcached: Memcached, start_lab: StartLab, allowed: int
) -> None:
    lab: Lab = start_lab(memcached.url, kind=KIND, open_files=allowed)
    with idle_from_everywhere(lab, allowed + 100):
        name = f"100 idle connections more than {allowed} open files"
        under_attack(lab, name, another_asks(lab), least=12)
    assert lab.coordinator.is_running


def test_idle_connections_to_api_and_embedded_store(start_lab: StartLab, locks: Open) -> None:
    with held_port() as port:
        lab: Lab = start_lab(locks.embedded(port), kind=EMBEDDED, open_files=256)
        with (
            idle_from_everywhere(lab, 300),
            flood.idle_connections(lab.coordinator, 300, b"version\r\n", port=port),
        ):
            name = "300 idle connections each to API and embedded store, 256 open files"
            under_attack(lab, name, another_asks(lab), least=12)


def idle_from_everywhere(lab: Lab, number: int) -> AbstractContextManager[None]:
    """Connections that no share of one address bounds."""
    return flood.idle_connections(lab.coordinator, number, sources=flood.SOURCES)


def another_asks(lab: Lab) -> Callable[[], object]:
    """Somebody who was not connected asks, and is answered."""

    def ask() -> None:
        with lab.coordinator.another_client() as client:
            client.status()

    return ask


def test_thousands_of_idle_connections(lab: Lab) -> None:
    with idle_from_everywhere(lab, 5000):
        under_attack(lab, "5,000 idle connections", another_asks(lab), least=12)


def test_silent_connections(lab: Lab) -> None:
    with flood.idle_connections(lab.coordinator, 3000, b"GET / HT"):
        under_attack(lab, "3,000 connections that never finish a request", lambda: None)


def test_bodies_that_never_end(lab: Lab) -> None:
    before = peak_memory(lab)
    body = flood.half_a_body(4_000_000, 3_900_000)
    with flood.idle_connections(lab.coordinator, 300, body):
        under_attack(lab, "300 bodies of 4 MB that never end", lambda: None)
    assert peak_memory(lab) < before + 300_000_000


def test_orders_without_end(lab: Lab) -> None:
    deed = orders_of_everything(lab)
    under_attack(lab, "a flood of orders", deed, every=0.0)
    owners = {member.owner for member in lab.coordinator.client.members(GROUP)}
    assert (owners == {""}) is lab.locks.are_on  # without a token it orders nothing


@pytest.mark.locked_only
def test_orders_of_somebody_without_a_token(lab: Lab) -> None:
    """Neither is anybody forced down nor forgotten."""
    forget = b"DELETE /v1/groups/compute/members/%b?force=true HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

    def give() -> None:
        for name in CROWD[:4]:
            answers = (
                flood.order(lab.coordinator, name, b'{"forced_down": true}'),
                flood.request(lab.coordinator, forget % name.encode()),
            )
            assert {answer[:13] for answer in answers} == {b"HTTP/1.1 401 "}, answers

    under_attack(lab, "orders without a token", give)


def orders_of_everything(lab: Lab) -> Callable[[], object]:
    numbers = iter(range(10**9))

    def give() -> None:
        for name in CROWD:
            body = b'{"owner": "mallory-%d"}' % next(numbers)
            flood.order(lab.coordinator, name, body)

    return give


def test_followers_that_never_read(lab: Lab) -> None:
    with flood.idle_connections(lab.coordinator, 900, EVENTS):
        under_attack(lab, "900 followers that never read", lambda: None)


def test_lists_without_end(lab: Lab) -> None:
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            flood.request(lab.coordinator, LIST)

    clients = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
    for client in clients:
        client.start()
    try:
        under_attack(lab, "eight clients that list without end", lambda: None)
    finally:
        over.set()
