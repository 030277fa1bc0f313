"""A whole cell of Nova: its code, its schema, its queue, and a coordinator that watches it.

MariaDB and RabbitMQ are real. `nova-manage` makes the tables and maps the cells, three `nova-conductor`
write what hosts report, and the hosts are Nova's own services (`compute_program.py`).
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import ClassVar

import anyio
from benchmarks.simulation.cells import CellScenario

from musterd.testing.busy import allowed_now
from musterd.testing.daemons import Coordinator
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import Server
from musterd_coordinator.sweep.nova.schema import init_db
from tests.nova.observing import Observer
from tests.nova.rabbit import RabbitMq

HERE = Path(__file__).parent
LOGIN = "musterd_eye"
CONDUCTORS = ("ctl1", "ctl2", "ctl3")
VICTIM = "h00"
"""The host that has a process of its own."""

CROWDS = tuple(
    tuple(f"h{number:02}" for number in numbers)
    for numbers in (range(1), range(1, 14), range(14, 27), range(27, 40))
)
"""The hosts of each process."""

HOSTS = tuple(host for crowd in CROWDS for host in crowd)
NOWHERE = "http://127.0.0.1:1"
"""Where Placement is not: a conductor begins without, but not where it is not told of any."""

ROOM = 60.0  # seconds for what nova-manage does, on an idle machine


@dataclass(frozen=True)
class Tempo:
    """The times of a cell: those of Nova's defaults, and for what RabbitMQ loses, five times as fast.

    It is as much slower as the machine is busy.
    """

    interval: int

    @property
    def scenario(self) -> CellScenario:
        """The same as it is simulated."""
        return CellScenario(
            len(HOSTS),
            interval=self.interval,
            rpc_response_timeout=6.0 * self.interval,
            service_down_time=6.0 * self.interval,
            sweep_period=self.interval / 4,
        )

    def options(self) -> Mapping[str, Mapping[str, object]]:
        """What stands in each nova.conf."""
        return {
            "DEFAULT": {
                "report_interval": self.interval,
                "service_down_time": 6 * self.interval,
                "rpc_response_timeout": 6 * self.interval,
                "periodic_enable": False,
            },
            # How long at most they wait until they connect again: 30 by default.
            "oslo_messaging_rabbit": {"rabbit_interval_max": 3 * self.interval},
            "conductor": {"workers": 1},
        }


class NovaProgram(Server):
    """A program of Nova's environment, with a nova.conf of its own."""

    users: ClassVar[Sequence[str]] = ("root",)

    def __init__(self, options: Mapping[str, Mapping[str, object]], *command: str | Path) -> None:
        super().__init__()
        self.file = self.directory / "nova.conf"
        here = {"DEFAULT": {"state_path": self.directory}}
        sections = {**here, **options, "DEFAULT": {**here["DEFAULT"], **options["DEFAULT"]}}
        self.file.write_text("".join(_section(name, given) for name, given in sections.items()))
        self._program = [*map(str, command), "--config-file", str(self.file)]

    def _command(self) -> list[str]:
        return self._program

    def _is_ready(self) -> bool:
        return True  # whoever waits for it sees it in the table


def _section(name: str, given: Mapping[str, object]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in given.items())


class NovaCell:
    """A cell that runs, all of it up, and who watches it."""

    def __init__(self, python: Path, stack: ExitStack) -> None:
        self._bin, self._stack = python.parent, stack
        self.tempo = Tempo(ceil(allowed_now(2.0)))
        self.rabbit = stack.enter_context(RabbitMq())
        self.maria = stack.enter_context(MariaDb(**MariaDb.cheap, max_connections=300))
        self._make_tables()
        self.conductors = {host: stack.enter_context(self._conductor(host)) for host in CONDUCTORS}
        self.crowds = {crowd: stack.enter_context(self._computes(crowd)) for crowd in CROWDS}
        self.coordinator = stack.enter_context(self._coordinator())
        self.observer = Observer(self.coordinator, self._opinion())
        stack.enter_context(self.observer)

    # -- how it is made ------------------------------------------------------------------

    def _database(self, name: str) -> str:
        return self.maria.url_of(name).replace("mysql:", "mysql+pymysql:")

    @cached_property
    def _controller(self) -> Mapping[str, Mapping[str, object]]:
        """The options of what has databases."""
        options = self.tempo.options()
        return {
            **options,
            "DEFAULT": {**options["DEFAULT"], "transport_url": self.rabbit.url},
            "database": {"connection": self._database("nova_cell1")},
            "api_database": {"connection": self._database("nova_api")},
            "placement": {"auth_type": "none", "endpoint_override": NOWHERE},
        }

    def _make_tables(self) -> None:
        for name in ("nova_api", "nova_cell0", "nova_cell1"):
            self.maria.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb3")
        self._manage("api_db", "sync")
        self._manage("cell_v2", "map_cell0", "--database_connection", self._database("nova_cell0"))
        self._manage("cell_v2", "create_cell", "--name", "cell1")
        self._manage("db", "sync")
        self.maria.execute(f"CREATE USER {LOGIN} IDENTIFIED BY '{self.maria.password}'")
        url = f"nova+{self.maria.url_of('nova_api')}"
        anyio.run(lambda: init_db(url, allowed_now(ROOM), coordinators=LOGIN))

    def _manage(self, *words: str) -> None:
        program = NovaProgram(self._controller, self._bin / "nova-manage")
        try:
            command = [str(self._bin / "python"), "-W", "ignore", *program._command(), *words]
            subprocess.run(command, check=True, capture_output=True, timeout=allowed_now(ROOM))
        finally:
            program.close()

    def _conductor(self, host: str) -> NovaProgram:
        options = self._controller
        named = {**options, "DEFAULT": {**options["DEFAULT"], "host": host}}
        return NovaProgram(named, *self._python, self._bin / "nova-conductor")

    def _computes(self, hosts: Sequence[str]) -> NovaProgram:
        options = self.tempo.options()
        queue = {**options["DEFAULT"], "transport_url": self.rabbit.url}
        return NovaProgram(
            {**options, "DEFAULT": queue},
            *(*self._python, HERE / "compute_program.py", ",".join(hosts)),
        )

    @property
    def _python(self) -> Sequence[str | Path]:
        return self._bin / "python", "-W", "ignore"

    def _coordinator(self) -> Coordinator:
        scenario = self.tempo.scenario
        url = self.maria.url_of("nova_api", LOGIN)
        return Coordinator(
            f"nova+{url}?rpc_response_timeout={scenario.rpc_response_timeout}",
            interval=scenario.interval,
            service_down_time=scenario.service_down_time,
            sweep_period=scenario.sweep_period,
            storm_min=0,
        )

    def _opinion(self) -> Sequence[str]:
        program = NovaProgram(self._controller, HERE / "opinion_program.py")
        self._stack.callback(program.close)
        return [str(word) for word in (*self._python, *program._command())]

    # -- what happens to it --------------------------------------------------------------

    def die(self, *crowds: Sequence[str]) -> None:
        """All hosts of these processes die at once."""
        for crowd in crowds:
            os.kill(
                self.crowds[tuple(crowd)].pid, signal.SIGSTOP
            )  # none reports once more than others
        for crowd in crowds:
            self.crowds[tuple(crowd)].kill()
        self.observer.died(host for crowd in crowds for host in crowd)

    def come_back(self, *crowds: Sequence[str]) -> None:
        """They start again."""
        for crowd in crowds:
            self.crowds[tuple(crowd)].start()
        self.until_well()

    def until_well(self) -> None:
        """Wait until all report, and silence counts again for everybody; nobody dead remains."""
        self.observer.until(lambda now: now.is_well(HOSTS), "all up and heard")
        self.observer.revived()
        scenario = self.tempo.scenario
        time.sleep(2 * scenario.interval + scenario.rpc_response_timeout)
        self.observer.until(lambda now: now.is_well(HOSTS), "all up and heard")


@contextmanager
def running_cell(python: Path) -> Iterator[NovaCell]:
    """Run a cell until all of its hosts are up."""
    with ExitStack() as stack:
        cell = NovaCell(python, stack)
        cell.until_well()
        yield cell
