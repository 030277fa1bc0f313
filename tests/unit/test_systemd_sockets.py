"""Sockets that systemd passes to a daemon, and those that it keeps for the next run."""

import array
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from musterd.systemd import Systemd
from musterd.testing.manager import ServiceManager
from musterd_coordinator.nova.keeping import KEPT, KeptConnections


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


@pytest.fixture
def systemd(manager: socket.socket) -> Iterator[Systemd]:
    made = Systemd.from_environment({"NOTIFY_SOCKET": str(manager.getsockname())})
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def received(manager: socket.socket) -> tuple[str, list[int]]:
    data, ancillary, _, _ = manager.recvmsg(1000, socket.CMSG_SPACE(16))
    numbers = array.array("i")
    for _, _, content in ancillary:
        numbers.frombytes(content)
    return data.decode(), numbers.tolist()


def test_what_is_kept_outlives_us(
    manager: socket.socket, systemd: Systemd, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    assert systemd.keep("nova-client-1", ours.fileno())
    words, [number] = received(manager)
    assert words == "FDSTORE=1\nFDNAME=nova-client-1"
    ours.close()
    with socket.socket(fileno=number) as kept:
        kept.sendall(b"still there")
        assert theirs.recv(100) == b"still there"
    systemd.release("nova-client-1")
    assert received(manager) == ("FDSTOREREMOVE=1\nFDNAME=nova-client-1", [])


def test_nobody_keeps_anything_where_there_is_no_systemd(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    systemd = Systemd.from_environment({})
    assert not systemd.keep("nova-client-1", pair[0].fileno())
    keeping = KeptConnections(systemd)
    keeping.release(keeping.keep(pair[0]))
    keeping.retry()
    assert len(keeping) == 0


TELL = """\
import os
from musterd.systemd import passed_sockets
os.environ.update({environ})
for one in passed_sockets(os.environ):
    print(one.name, one.socket.gettimeout())
print(sorted(name for name in os.environ if name.startswith("LISTEN_")))
"""


def passed_to_a_process(
    sockets: dict[str, socket.socket], environ: dict[str, str] | None = None
) -> list[str]:
    """What a process says of what it was passed."""
    program = TELL.format(environ=environ or {})
    with ServiceManager([sys.executable, "-c", program], sockets) as manager:
        manager.start().wait_exit()
        *found, left = manager.output.splitlines()
    assert left == "[]"
    return found


def test_sockets_are_passed_by_name_and_wait_for_nothing(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    sockets = dict(zip(("door.socket", "nova-client-7"), pair, strict=True))
    assert passed_to_a_process(sockets) == ["door.socket 0.0", "nova-client-7 0.0"]
    assert passed_to_a_process(sockets, {"LISTEN_FDNAMES": ""}) == [" 0.0", " 0.0"]


@pytest.mark.parametrize("environ", [{"LISTEN_PID": "1"}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": "0"}])
def test_what_is_meant_for_others_is_left_alone(
    environ: dict[str, str], pair: tuple[socket.socket, socket.socket]
) -> None:
    assert passed_to_a_process({"door.socket": pair[0]}, environ) == []


def test_a_connection_is_kept_until_it_ends(
    manager: socket.socket, systemd: Systemd, pair: tuple[socket.socket, socket.socket]
) -> None:
    keeping = KeptConnections(systemd, [f"{KEPT}1"])
    name = keeping.keep(pair[0])
    assert name == f"{KEPT}2"
    words, [number] = received(manager)
    os.close(number)
    assert words.endswith(name)
    keeping.release(name)
    assert received(manager)[0] == f"FDSTOREREMOVE=1\nFDNAME={name}"
    keeping.release(name)
    with pytest.raises(BlockingIOError):
        received(manager)
    assert len(keeping) == 1


def test_who_leaves_leaves_connections_where_they_are(
    manager: socket.socket, systemd: Systemd, pair: tuple[socket.socket, socket.socket]
) -> None:
    keeping = KeptConnections(systemd)
    name = keeping.keep(pair[0])
    os.close(received(manager)[1][0])
    keeping.leave()
    keeping.release(name)
    with pytest.raises(BlockingIOError):
        received(manager)


def test_what_systemd_did_not_take_is_offered_again(
    manager: socket.socket, systemd: Systemd, pair: tuple[socket.socket, socket.socket]
) -> None:
    for _ in range(10_000):  # far more than its queue holds
        systemd.notify(WATCHDOG="1")
    keeping = KeptConnections(systemd)
    name, gone = keeping.keep(pair[0]), keeping.keep(pair[1])
    assert len(keeping) == 0
    keeping.release(gone)
    keeping.retry()
    assert len(keeping) == 0
    with suppress(BlockingIOError):
        while True:
            manager.recv(1000)
    keeping.retry()
    assert len(keeping) == 1
    words, [number] = received(manager)
    os.close(number)
    assert words.endswith(name)
