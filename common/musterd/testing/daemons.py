"""The module runs coordinators, agents, relays, doors and embedded stores as separate processes."""

import json
import ssl
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Self

from musterd.client import Client
from musterd.errors import AccessDenied, CoordinatorUnreachable, NotReady
from musterd.model import State
from musterd.testing.authority import Certificate
from musterd.testing.busy import Patience, allowed_now
from musterd.testing.processes import Server

PATIENCE = 60.0
"""Seconds to wait for what takes a few on an idle machine; a busy one has more of them."""

_FILES = ("ca_file", "cert_file", "key_file")

Setting = str | float | int | list[dict[str, str]]


class Daemon(Server):
    """A `Daemon` is `musterd coordinator`, `agent` or `relay`, configured by a file of its own."""

    subcommand: ClassVar[str]
    users = ("root",)

    def __init__(self, **settings: Setting) -> None:
        super().__init__()
        self.settings = settings
        self._arguments: Sequence[str] = ()
        self._file: tuple[str, str] | None = None
        self.environ: dict[str, str] = {}
        self.program = ["-m", "musterd"]
        self.open_files: int | None = None

    def configured_by(self, name: str, text: str, *arguments: str) -> Self:
        """Use this file and these arguments instead of the settings."""
        self._file, self._arguments = (name, text), arguments
        return self

    @cached_property
    def client_tls(self) -> ssl.SSLContext | None:
        """Return what clients of its port speak TLS with, if it has a certificate."""
        files = (_text(self.settings.get(name)) for name in ("tls_cert_file", "tls_key_file"))
        cert, key = files
        return Certificate(cert, key).trusting() if cert and key else None

    def _command(self) -> list[str]:
        name, text = self._file or ("musterd.toml", toml(self.settings))
        file = self.directory / name
        file.write_text(text)
        environ = [f"{name}={value}" for name, value in self.environ.items()]
        daemon = [sys.executable, *self.program, self.subcommand, "--config", str(file)]
        return [*self._limited(), "env", *environ, *daemon, *self._arguments]

    def _limited(self) -> list[str]:
        """Return what to start it by so that it has at most ``open_files``, if that is set."""
        if self.open_files is None:
            return []
        return ["prlimit", f"--nofile={self.open_files}:{self.open_files}"]


def toml(settings: Mapping[str, Setting]) -> str:
    """Return a configuration file; JSON's strings and numbers are TOML's."""
    plain = {key: value for key, value in settings.items() if not isinstance(value, list)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in plain.items()]
    for key, tables in settings.items():
        if isinstance(tables, list):
            lines += [f"[[{key}]]\n{toml(table)}" for table in tables]
    return "\n".join(lines)


def _text(setting: Setting | None) -> str | None:
    return None if setting is None else str(setting)


class Coordinator(Daemon):
    """A `Coordinator` has its registry in its own directory, so that it survives a restart.

    Its clients show ``token``.
    """

    subcommand = "coordinator"

    def __init__(self, store: str, token: str | None = None, /, **settings: Setting) -> None:
        fleet: Mapping[str, Setting] = {"service_down_time": 4.0, "sweep_period": 0.5}
        super().__init__(**{**fleet, **settings, "store": store})
        self.settings = {"listen": self.address, **self.settings}
        self._token = token
        self.client = self.another_client()

    def another_client(self, timeout: float | None = None) -> Client:
        """Return a client of its own, for the caller to close; it is patient by default."""
        scheme = "https" if "tls_cert_file" in self.settings else "http"
        ca, cert, key = (_text(self.settings.get(name)) for name in _FILES)
        return Client(
            f"{scheme}://{self.address}",
            allowed_now(5.0) if timeout is None else timeout,
            token=self._token,
            ca_file=ca,
            cert_file=cert,
            key_file=key,
        )

    def states(self, group: str = "compute") -> dict[str, State]:
        """Return the state of every member, by name.

        There is none while the coordinator is away, not ready, or knows no member.
        """
        try:
            if group not in [summary.group for summary in self.client.groups().groups]:
                return {}
            return {member.member: member.state for member in self.client.members(group)}
        except (CoordinatorUnreachable, NotReady):
            return {}

    def close(self) -> None:
        """End it, and our connection to it."""
        self.client.close()
        super().close()

    def _is_ready(self) -> bool:
        try:
            self.client.status()
        except CoordinatorUnreachable:
            return False
        except AccessDenied:  # it answers whoever has a token
            return True
        return True


class Agent(Daemon):
    """An `Agent` has members that beat once a second."""

    subcommand = "agent"

    def __init__(self, store: str, *names: str, **settings: Setting) -> None:
        fleet: Mapping[str, Setting] = {"interval": 1.0, "service_down_time": 4.0}
        members: Setting = [{"member": name} for name in names]
        super().__init__(**{**fleet, **settings, "store": store, "member": members})

    def _is_ready(self) -> bool:
        return True


class Relay(Daemon):
    """A `Relay` listens on a port of its own."""

    subcommand = "relay"

    def __init__(self, store: str, **settings: Setting) -> None:
        super().__init__(**{**settings, "store": store})
        self.settings = {"relay_listen": self.address, **self.settings}

    @property
    def url(self) -> str:
        """Return the store URL for agents."""
        scheme = "relay+tls" if "tls_cert_file" in self.settings else "relay"
        return f"{scheme}://{self.address}"

    def _is_ready(self) -> bool:
        return self.accepts()


class NovaDaemon(Daemon):
    """A `NovaDaemon` is ``musterd nova``; it is ready when its door is open.

    It follows the coordinators with these URLs, and keeps its view in its own directory.
    """

    subcommand = "nova"

    def __init__(self, coordinators: str, **settings: Setting) -> None:
        fleet: Mapping[str, Setting] = {"service_down_time": 4.0, "interval": 1.0}
        super().__init__(**{**fleet, **settings, "coordinator": coordinators})
        view = str(self.directory / "view")
        self.settings = {"nova_listen": self.address, "nova_view": view, **self.settings}

    def _is_ready(self) -> bool:
        return self.accepts()


class EmbeddedStore(Server):
    """An `EmbeddedStore` is a coordinator's, as a process of its own, so that it can be hung."""

    users = ("root",)

    def _command(self) -> list[str]:
        program = [sys.executable, "-m", "musterd_coordinator.demo.store"]
        return [*program, self.host, str(self.port)]

    def _is_ready(self) -> bool:
        return self.accepts()


class Watch:
    """A `Watch` polls a coordinator ten times a second, and remembers every state it answered."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self.seen: dict[str, set[State]] = {}

    def until(self, true: Callable[[dict[str, State]], bool], what: str) -> None:
        """Poll until ``true`` is so; raise AssertionError when it never is.

        How soon it is so depends on how busy the machine is: the fault lab holds that against time
        of listening, and unit tests against a clock of their own.
        """
        patience = Patience(PATIENCE)
        while True:
            states = self._coordinator.states()
            for name, state in states.items():
                self.seen.setdefault(name, set()).add(state)
            if true(states):
                return
            assert not patience.is_over, f"not {what} within {PATIENCE:g} s: {states}"
            time.sleep(0.1)

    def for_seconds(self, seconds: float) -> None:
        """Poll for a while."""
        until = time.monotonic() + seconds
        self.until(lambda _: time.monotonic() >= until, "over")

    def clear(self) -> None:
        """Forget every state so far, and remember from now on."""
        self.seen = {}


def all_in(state: State, *names: str) -> Callable[[dict[str, State]], bool]:
    """Return a function that says whether all of ``names`` are in ``state``."""
    return lambda states: all(states.get(name) is state for name in names)
