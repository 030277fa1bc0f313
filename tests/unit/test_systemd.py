"""What the service manager hears."""

import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from musterd.systemd import Systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A datagram socket such as systemd listens on, by path or in the abstract namespace."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    name = f"\0musterd-{secrets.token_hex(8)}" if request.param == "abstract" else tmp_path / "n"
    listener.bind(name if isinstance(name, str) else str(name))
    listener.settimeout(5.0)
    with listener:
        yield listener


def address_of(manager: socket.socket) -> str:
    name = manager.getsockname()
    return "@" + name[1:].decode() if isinstance(name, bytes) else str(name)


def test_words_arrive_one_to_a_line(manager: socket.socket) -> None:
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": address_of(manager)})
    systemd.notify(READY="1", STATUS="waiting for mc1:11211:\nconnection refused")
    assert manager.recv(1000) == b"READY=1\nSTATUS=waiting for mc1:11211: connection refused"
    systemd.close()


def test_a_reload_has_the_instant_that_systemd_compares(manager: socket.socket) -> None:
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": address_of(manager)})
    systemd.notify(READY="1")
    assert manager.recv(1000) == b"READY=1"
    before = time.monotonic()
    with systemd.reloading():
        said = dict(line.split("=") for line in manager.recv(1000).decode().splitlines())
        assert said["RELOADING"] == "1"
        assert before - 1e-6 <= int(said["MONOTONIC_USEC"]) / 1e6 <= time.monotonic()
    assert manager.recv(1000) == b"READY=1"
    systemd.close()


def test_a_reload_makes_nothing_ready_that_was_not(manager: socket.socket) -> None:
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": address_of(manager)})
    with systemd.reloading():
        pass
    systemd.notify(STATUS="waiting for the store")
    assert manager.recv(1000) == b"STATUS=waiting for the store"
    systemd.close()


def test_a_manager_that_did_not_read_for_a_while_is_told_that_it_is_ready(
    manager: socket.socket,
) -> None:
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": address_of(manager)})
    for _ in range(10_000):  # far more than its queue holds
        systemd.notify(WATCHDOG="1")
    systemd.notify(READY="1")
    manager.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            assert manager.recv(1000) == b"WATCHDOG=1"
    for said in (b"READY=1\nSTATUS=well", b"STATUS=well"):
        systemd.notify(STATUS="well")
        assert manager.recv(1000) == said
    systemd.close()


def test_nobody_to_tell_is_fine() -> None:
    systemd = Systemd.from_environment({})
    systemd.notify(READY="1")
    assert systemd.watchdog is None
    systemd.close()


def test_a_manager_that_is_gone_or_does_not_read_costs_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": path})
    for _ in range(10_000):  # far more than its queue holds
        systemd.notify(WATCHDOG="1")
    listener.close()
    systemd.notify(WATCHDOG="1")
    systemd.close()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_obeyed_when_it_is_ours(
    environ: dict[str, str], expected: float | None
) -> None:
    systemd = Systemd.from_environment(environ)
    assert systemd.watchdog == expected
