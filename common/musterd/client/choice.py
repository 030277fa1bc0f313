"""The module chooses the coordinator that a client asks, and the answer that it gives: no I/O.

Coordinators know the same things at different moments. So a client stays with the one that answered
it last. It moves on when that one fails or says that it is not ready; and when it does not hear its
whole store while another one does.
"""

from collections.abc import Sequence
from math import inf
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from musterd.errors import ConfigError
from musterd.tls import Tls
from musterd.urls import UNIX, socket_path, without_secret

LOOK_EVERY = 2.0
"""Seconds from one look around for a coordinator that hears its store to the next."""

FRESHER = 5.0
"""Seconds by which another coordinator must know better, where neither hears its whole store. Less
would send clients to and fro."""

RUNS = 64
"""Runs of coordinators of which the newest version given is remembered."""


class Address(NamedTuple):
    """An ``Address`` is where a coordinator answers.

    ``prefix`` is the path under which a proxy may serve it. For a Unix socket the host is
    ``unix:/path`` and the port 0.
    """

    scheme: str
    host: str
    port: int
    prefix: str

    @property
    def path(self) -> str | None:
        """Return the path of a Unix socket; None where it is none."""
        return socket_path(self.host)

    def __str__(self) -> str:
        if self.path is not None:
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"


def read_addresses(urls: str | Sequence[str]) -> list[Address]:
    """Return coordinators by URL, comma separated or a list; ConfigError names a URL that is none."""
    given = urls.split(",") if isinstance(urls, str) else urls
    addresses = [_address(url.strip()) for url in given if url.strip()]
    if not addresses:
        raise ConfigError("no coordinator URL; give one such as http://127.0.0.1:8420")
    return addresses


def _address(url: str) -> Address:
    wrong = ConfigError(
        f"coordinator URL {without_secret(url)!r} is not usable; write http://HOST:PORT,"
        " such as http://127.0.0.1:8420, or unix:/PATH"
    )
    try:
        path = socket_path(url.removeprefix("http+"))
        if path is not None:
            return Address("http", f"{UNIX}{path}", 0, "")
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise wrong
    if parts.query or parts.fragment or parts.username is not None:
        raise wrong
    default = 443 if parts.scheme == "https" else 80
    return Address(parts.scheme, parts.hostname, port or default, parts.path.rstrip("/"))


def tls_for(addresses: Sequence[Address], tls: Tls) -> Tls | None:
    """Return ``tls`` if one of these is reached by it, else None.

    Raises ConfigError for files that cannot be used.
    """
    if all(address.scheme == "http" for address in addresses):
        return None
    tls.context()
    return tls


class Knowing(Protocol):
    """A ``Knowing`` is an answer that says how good it is."""

    @property
    def version(self) -> int: ...
    @property
    def listening(self) -> bool: ...
    @property
    def staleness(self) -> float | None: ...


T = TypeVar("T")


class Rotation:
    """A ``Rotation`` has several coordinators, and begins with the one to stay with.

    Threads may share one.
    """

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = list(addresses)
        self._first = 0
        self._looked = -inf
        self._newest: dict[str, int] = {}  # version by run; the one that answered last comes last
        self._lock = Lock()

    def order(self) -> list[Address]:
        """Return all of them, in the order to try them."""
        return self._addresses[self._first :] + self._addresses[: self._first]

    def answered(self, address: Address) -> None:
        """Begin with this one from now on."""
        self._first = self._addresses.index(address)

    def may_look(self, now: float) -> bool:
        """Say whether it is time to ask the others too, as the first one does not hear its store."""
        with self._lock:
            if len(self._addresses) <= 1 or now - self._looked < LOOK_EVERY:
                return False
            self._looked = now
            return True

    def is_older(self, run: str, answer: object) -> bool:
        """Say whether a newer answer of this run of a coordinator was given before; note this one."""
        version = getattr(answer, "version", None)
        if not run or version is None:
            return False
        with self._lock:
            newest = self._newest.pop(run, version)
            self._newest[run] = max(newest, version)
            while len(self._newest) > RUNS:
                del self._newest[next(iter(self._newest))]
            return bool(version < newest)


def is_listening(answer: object) -> bool:
    """Say whether its coordinator heard its store; yes for answers that have nothing to do with it."""
    return bool(getattr(answer, "listening", True))


def best_informed(answers: Sequence[tuple[Address, T]]) -> tuple[Address, T]:
    """Return the first answer, or another that is fresher by more than :data:`FRESHER`."""
    freshest = min(answers, key=lambda one: _staleness(one[1]))
    fresher = _staleness(freshest[1]) < _staleness(answers[0][1]) - FRESHER
    return freshest if fresher else answers[0]


def _staleness(answer: object) -> float:
    staleness = getattr(answer, "staleness", None)
    return inf if staleness is None else float(staleness)
