"""The module reads what a PostgreSQL URL says, and where it leads; pure."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode

from musterd.errors import ConfigError
from musterd.urls import database_parts, host_and_port, without_secret

DEFAULT_PORT = 5432
_FORM = "write postgresql://user:password@host:5432/database, with %XX for / ? # @ in a password"
_CHOICES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "target_session_attrs": (
        *("any", "primary", "standby"),
        *("prefer-standby", "read-write", "read-only"),
    ),
}
_FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
_TEXTS = (
    *("host", "sslpassword", "ssl_min_protocol_version", "ssl_max_protocol_version"),
    *("krbsrvname", "gsslib"),
)
OPTIONS = (*_CHOICES, *_FILES, *_TEXTS)
"""What may stand behind the ``?`` of a URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """A ``Target`` is where a PostgreSQL URL leads. ``name`` and ``url`` hold no secret."""

    name: str
    url: str
    _parts: SplitResult = field(repr=False)
    _usual: str  # which of several hosts is meant where the URL does not say

    def dsn(self, turn: int) -> str:
        """Return the URL for asyncpg, with the host first that ``turn`` comes to."""
        return self._with_hosts(lambda hosts: _turned(hosts, turn)).geturl()

    def each(self) -> "list[Target]":
        """Return the targets of each host alone, where it has several; else none."""
        names = self.name.rpartition("/")[0].split(",") if self.hosts > 1 else []
        return [
            replace(self, name=name, _parts=self._with_hosts(partial(_one_of, at)))
            for at, name in enumerate(names)
        ]

    def _with_hosts(self, change: Callable[[str], str]) -> SplitResult:
        login, at, hosts = self._parts.netloc.rpartition("@")
        options = dict(parse_qsl(self._parts.query))
        if self.hosts > 1 and "target_session_attrs" not in options:
            options["target_session_attrs"] = self._usual
        if not hosts and "host" in options:
            options["host"] = change(options["host"])
        netloc = f"{login}{at}{change(hosts)}"
        return self._parts._replace(netloc=netloc, query=urlencode(options, safe="/,"))

    @property
    def hosts(self) -> int:
        """Return how many hosts it has."""
        return 1 + self.name.rpartition("/")[0].count(",")


def _one_of(at: int, hosts: str) -> str:
    return hosts.split(",")[at] if hosts else ""


def _turned(hosts: str, turn: int) -> str:
    listed = hosts.split(",")
    turn %= len(listed)
    return ",".join(listed[turn:] + listed[:turn])


def parse_url(url: str, environ: Mapping[str, str] = os.environ) -> Target:
    """Return the target of ``postgresql://user@host:5432/database?option=value``.

    Raises ConfigError, without the password, for whatever asyncpg could not use.
    """
    shown = without_secret(url)
    parts, options = database_parts(url, _FORM)
    hosts = _hosts(shown, parts.netloc.rpartition("@")[2] or options.get("host", ""))
    database = unquote(parts.path.removeprefix("/"))
    if not database:
        raise ConfigError(f"{shown} names no database: {_FORM}")
    _check_options(shown, options)
    # Of several hosts one is the primary, and all that musterd says to a standby is refused.
    usual = environ.get("PGTARGETSESSIONATTRS", "primary")
    return Target(f"{hosts}/{database}", shown, parts, usual)


def _check_options(shown: str, options: Mapping[str, str]) -> None:
    for name, value in options.items():
        if name not in OPTIONS:
            raise ConfigError(
                f"{shown}: option {name!r} is not one of {', '.join(sorted(OPTIONS))}"
            )
        if name in _FILES and not Path(value).is_file():
            raise ConfigError(f"{shown}: {name} {value!r} is no file")
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ConfigError(f"{shown}: {name} {value!r} is not one of {list(_CHOICES[name])}")


def _hosts(shown: str, listed: str) -> str:
    return ",".join(_host(shown, address) for address in listed.split(",")) if listed else "local"


def _host(shown: str, address: str) -> str:
    if unquote(address).startswith("/"):
        return unquote(address)
    try:
        host, port = host_and_port(address, default_port=DEFAULT_PORT)
    except ValueError:
        raise ConfigError(f"{shown} has a host that is no host or host:port: {_FORM}") from None
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
