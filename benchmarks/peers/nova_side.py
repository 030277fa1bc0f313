"""The module drives Nova's side from here: a process with Nova in it, and orders to it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.peers.meter import Sender, Spent

PROCESS = Path(__file__).with_name("nova_process.py")


_DRIVERS = {"postgresql": "psycopg2", "mysql": "pymysql"}  # those of OpenStack's deployments


class NovaError(Exception):
    """A `NovaError` says that Nova's process ended, or that its beats did not arrive.

    The text says what the process said last.
    """


class Nova:
    """A `Nova` is a running :mod:`benchmarks.peers.nova_process`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextmanager
    def running(cls, python: Path, database: str, memcached: str) -> Iterator["Nova"]:
        """Run Nova on the database of the URL and on one memcached; its tables are made anew."""
        scheme, _, rest = database.partition("://")
        url = f"{scheme}+{_DRIVERS[scheme]}://{rest}"
        command = [str(python), "-W", "ignore", str(PROCESS), url, memcached]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            nova = cls(process)
            nova._answer()
            yield nova
            assert process.stdin is not None
            process.stdin.close()

    def grow(self, services: int) -> None:
        """Have ``services`` rows in its table."""
        self._order("grow", services=services)

    def sender(self, driver: str, threads: int) -> Sender:
        """Return a sender of heartbeats from so many threads, of services of their own."""
        return partial(self._beat, driver, threads)

    def fill(self, driver: str) -> None:
        """Send one heartbeat of every service, in random order."""
        self._order("fill", driver=driver)

    def view(self, driver: str) -> tuple[int, float]:
        """Return how many of all services are up, and the seconds that it took to find out."""
        answer = self._order("view", driver=driver)
        return answer["up"], answer["seconds"]

    def list_all(self, services: int) -> tuple[float, float]:
        """Have it list all services; return the seconds that this took, and those of CPU.

        Raises NovaError when there are not so many.
        """
        answer = self._order("list_all")
        if answer["services"] != services:
            raise NovaError(f"Nova lists {answer['services']} of {services} services")
        return answer["seconds"], answer["client"]

    def _beat(self, driver: str, threads: int, count: int) -> Spent:
        answer = self._order("beat", driver=driver, count=count, threads=threads)
        return Spent(answer["beats"], answer["seconds"], answer["client"])

    def _order(self, order: str, **facts: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **facts}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise NovaError("Nova's process ended; what it said is above")
        return json.loads(line)
