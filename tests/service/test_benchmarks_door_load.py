"""The load generator for gets, beside a memcached that has half of the keys."""

import socket
from contextlib import closing

import pytest
from benchmarks.door_load import PROTOCOLS, Asker, Load, asked

from musterd.testing.busy import allowed_now
from musterd.testing.servers import Memcached

KEYS = [b"here", b"away"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("rate", [0, 200])
def test_keys_are_asked_for_in_turn_and_answers_are_timed(protocol: str, rate: float) -> None:
    with Memcached() as server:
        with closing(server.connect()) as connection:
            connection.sendall(b"set here 0 0 1\r\n1\r\n")
            assert connection.recv(100) == b"STORED\r\n"
        found = asked(server.host, server.port, Load(3, allowed_now(0.1), protocol, rate), KEYS)
    assert 0 < found["p50"] <= found["p99"] <= found["most"]
    assert found["per_second"] > 0
    assert rate == 0 or found["per_second"] <= rate
    assert found["misses"] > 0


def test_who_hangs_up_is_told_of() -> None:
    near, far = socket.socketpair()
    far.shutdown(socket.SHUT_WR)
    with closing(near), closing(far), pytest.raises(ConnectionResetError):
        Asker([near], Load(1, 1.0, "text"), KEYS).ask_for(allowed_now(1.0))
