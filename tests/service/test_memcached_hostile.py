"""Servers that answer more than they were asked for, and neighbours that store more than anybody needs."""

import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from musterd.stores import open_store
from musterd.stores.slots.protocol import Keys
from musterd.testing.busy import allowed_now
from musterd.testing.servers import Memcached
from musterd_coordinator.sweep.base import open_reader
from tests.conftest import StartMemcached
from tests.service.memcached_fill import fill

KEYS = Keys("fleet")
MEMBERS = 20
LARGE = 1_040_000  # bytes; about the most that memcached takes

SWEEPING = """
import resource, sys, uvloop
from musterd.errors import StoreError
from musterd.stores import open_store
from musterd_coordinator.sweep.base import open_reader

async def main(hostile, honest, timeout):
    stores = [open_store(f"memcached://{at}", namespace="fleet", timeout=float(timeout), beat_ttl=600.0)
              for at in (hostile, honest)]
    bad, good = [open_reader(store, 0, "c1") for store in stores]
    for _ in range(2):
        try:
            await bad.roster()
        except StoreError as error:
            print(error.reason)
        await good.roster()
        sweep = await good.sweep()
        print(sweep.complete, len(sweep.beats.slot))
    # Not ru_maxrss, which begins with that of whoever started this process.
    (peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(int(peak.split()[1]) < 200_000)
    await bad.aclose()
    await good.aclose()

uvloop.run(main(*sys.argv[1:]))
"""


class _Endless(socketserver.BaseRequestHandler):
    """Answers the counter as a memcached does, and everything else without end."""

    server: "_Server"

    def handle(self) -> None:
        with suppress(OSError):
            while line := self._line():
                keys = line.split()[1:]
                if line.startswith(b"get") and KEYS.counter in keys:
                    self.request.sendall(b"VALUE %b 0 3\r\n600\r\nEND\r\n" % KEYS.counter)
                elif line.startswith(b"get"):
                    self._answer(keys)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            if not (more := self.request.recv(1 << 16)):
                return b""
            line += more
        return line.splitlines()[-1]

    def _answer(self, keys: list[bytes]) -> None:
        if self.server.way == "every value is large":
            for key in keys:
                self.request.sendall(b"VALUE %b 0 %d\r\n%b\r\n" % (key, LARGE, bytes(LARGE)))
            self.request.sendall(b"END\r\n")
        elif self.server.way == "one value has no end":
            self.request.sendall(b"VALUE %b 0 9999999999\r\n" % keys[0])
        while True:
            self.request.sendall(
                b"END\r\n" * 100_000 if "again" in self.server.way else bytes(1 << 20)
            )


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    way = ""


@contextmanager
def endless(way: str) -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Endless) as server:
        server.way = way
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "{}:{}".format(*server.server_address)
        server.shutdown()


@pytest.mark.parametrize(
    "way", ["every value is large", "one value has no end", "the end again and again", "zeros"]
)
def test_a_server_that_answers_without_end_is_cut_off(memcached: Memcached, way: str) -> None:
    """Under uvloop, which a connection that is aborted at the wrong moment crashes."""
    fill(memcached, list(range(MEMBERS)))
    with endless(way) as hostile:
        done = subprocess.run(
            [sys.executable, "-c", SWEEPING, hostile, memcached.address, f"{allowed_now(1.0)}"],
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1::2] == [f"True {MEMBERS}"] * 2
    assert lines[-1] == "True", "too much memory"
    assert "Traceback" not in done.stderr


async def test_large_values_are_removed_and_nobody_misses_a_sweep(
    start_memcached: StartMemcached,
) -> None:
    memcached = start_memcached("-m", "128", "-t", "1")
    fill(memcached, list(range(MEMBERS)))
    junk = [*(KEYS.holder(slot) for slot in range(100, 160)), KEYS.beat(3), KEYS.free]
    with socket.create_connection((memcached.host, memcached.port), 30) as connection:
        for key in junk:
            connection.sendall(b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, LARGE, bytes(LARGE)))
        connection.sendall(b"set %b 0 0 3 noreply\r\n600\r\nversion\r\n" % KEYS.counter)
        assert connection.recv(100).startswith(b"VERSION")
    store = open_store(
        f"memcached://{memcached.address}", namespace="fleet", timeout=10.0, beat_ttl=600
    )
    reader = open_reader(store, 0, "c1")
    roster = await reader.roster()
    assert [slot for slot, _ in roster.seated] == list(range(MEMBERS))
    sweep = await reader.sweep()
    assert sweep.complete
    assert len(sweep.beats.slot) == MEMBERS - 1
    assert sweep.rejected.oversized == len(junk)
    assert sweep.rejected.beats == 0
    await reader.roster()
    sweep = await reader.sweep()
    assert sum(sweep.rejected) == 0
    await reader.aclose()
