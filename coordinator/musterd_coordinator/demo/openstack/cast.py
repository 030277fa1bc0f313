"""The demo's processes besides Nova's are a MariaDB, a coordinator that watches it, and a door."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import anyio
import msgspec

from musterd.report.answers import ReportAnswer
from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Coordinator, NovaDaemon
from musterd.testing.mariadb import SUPERUSER, MariaDb
from musterd_coordinator.demo.openstack.confs import NovaFacts, nova_conf, switched_off, switched_on
from musterd_coordinator.sweep.nova.schema import init_db

HOSTS = 200
INTERVAL = 3
SERVICE_DOWN_TIME = 10
SWEEP_PERIOD = 0.5
RPC_RESPONSE_TIMEOUT = 1
"""Seconds: no report waits for a queue here."""

LOGIN = "musterd_demo"
_TIMEOUT = 30.0  # seconds for the database to make a table
_CONNECTIONS = 300


class NovaCast:
    """A `NovaCast` is all of them, with their files in ``directory``. Its calls block."""

    def __init__(self, directory: Path) -> None:
        self.database = MariaDb(**MariaDb.cheap, max_connections=_CONNECTIONS)
        api = self.database.url_of("nova_api", LOGIN)
        self.coordinator = Coordinator(
            f"nova+{api}?rpc_response_timeout={RPC_RESPONSE_TIMEOUT}",
            interval=INTERVAL,
            service_down_time=SERVICE_DOWN_TIME,
            sweep_period=SWEEP_PERIOD,
            trace_dir=str(directory / "trace"),
        )
        self.trace = directory / "trace"
        self.url = f"http://{self.coordinator.address}"
        self.door = NovaDaemon(self.url, interval=INTERVAL, service_down_time=SERVICE_DOWN_TIME)
        self.by_db, self.by_door = directory / "nova.conf", directory / "nova-asks-musterd.conf"
        self.log = directory / "nova.log"

    def start_database(self) -> None:
        """Start it, empty, and write the nova.conf that names it, and the one that names the door too."""
        self.database.start()
        for name in ("nova_api", "nova_cell1"):
            self.database.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb3")
        api, cell = map(self._as_nova, ("nova_api", "nova_cell1"))
        self.by_db.write_text(nova_conf(NovaFacts(api, cell, INTERVAL, SERVICE_DOWN_TIME)))
        self.by_door.write_text(switched_on(self.by_db.read_text(), self.door.address))

    def watch(self) -> None:
        """Give musterd its login, as `musterd init-db` does, and have a coordinator watch by it."""
        password = self.database.password
        self.database.execute(f"CREATE USER {LOGIN} IDENTIFIED BY '{password}'")
        anyio.run(partial(init_db, self.owner, allowed_now(_TIMEOUT), coordinators=LOGIN))
        self.coordinator.start()

    @property
    def owner(self) -> str:
        """Return where Nova is watched, by the login of one who may do anything."""
        return f"nova+{self.database.url_of('nova_api')}"

    def assignments(self) -> str:
        """Return the lines of docs/openstack.md that say what is where."""
        where = f"DB={self.database.host} PORT={self.database.port} ADMIN={SUPERUSER}"
        return f"  {where}\n  CONF={self.by_db} INTERVAL={INTERVAL} DOWN={SERVICE_DOWN_TIME}"

    def check(self) -> tuple[int, str]:
        """Have musterd say what bites in the nova.conf that names the door; return status and words."""
        config = self.door.directory / "musterd.toml"
        return _musterd("nova", "--config", str(config), "--check", str(self.by_door))

    def report(self) -> tuple[str, ReportAnswer]:
        """Return what `musterd report` says of the coordinator's trace, for people and for programs."""
        _, text = _musterd("report", str(self.trace))
        _, answer = _musterd("report", str(self.trace), "--json")
        return text, msgspec.json.decode(answer, type=ReportAnswer)

    def switch_off(self) -> None:
        """Take the one line out again, and the door away."""
        self.by_door.write_text(switched_off(self.by_door.read_text()))
        self.door.stop()

    def _as_nova(self, name: str) -> str:
        url = urlsplit(self.database.url_of(name))
        return url._replace(scheme="mysql+pymysql").geturl()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in (self.door, self.coordinator, self.database):
            process.kill()  # nothing of it is kept
            process.close()


def _musterd(*words: str) -> tuple[int, str]:
    """Run a command of musterd's; return its status, and what it said."""
    command = [sys.executable, "-m", "musterd", *words]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=allowed_now(_TIMEOUT)
    )
    return done.returncode, done.stdout + done.stderr
