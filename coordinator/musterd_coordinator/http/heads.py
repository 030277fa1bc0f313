"""A request is looked at only if its head asks one host, which is ours, and is not ambiguous."""

import socket
import threading
from collections.abc import Callable, Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from musterd_coordinator.http.problem import Problem

ANY_HOST = "*"
SEEN = 256  # ways of writing our names and addresses that are remembered
_CLOSE = {"connection": "close"}
_BODILESS = ("GET", "HEAD", "DELETE")


class Hosts:
    """A `Hosts` has the names by which this coordinator is asked.

    A page on a site of somebody else's can make its own name mean our address, and a browser then
    lets it read all that we answer. It cannot do that with an address, with localhost, or with a
    name that is ours.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = {"localhost"}
        self._allowed: set[str] = set()
        self._seen: set[str] = set()  # as they were asked for, and known
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Add one more name, unless it is empty."""
        self._names |= {_bare(name)} - {""}

    def allow(self, names: Iterable[str]) -> None:
        """Allow these as well, and no longer those that were allowed before."""
        self._allowed = {_bare(name) for name in names} - {""}
        self._seen.clear()

    def known(self, host: str) -> bool:
        """Say whether this Host, with or without a port, is one of ours."""
        if host in self._seen:  # most callers say the same, each time
            return True
        name, names = _bare(host), self._names | self._allowed
        known = name in names or ANY_HOST in names or _is_address(name)
        if known and len(self._seen) < SEEN:
            self._seen.add(host)
        return known


def hosts_of(names: Iterable[str], called: Callable[[], str] = socket.gethostname) -> Hosts:
    """Return ``names`` and those of this host: its short one, and the whole one as soon as it is known."""
    hosts = Hosts([*names, name := called(), name.partition(".")[0]])
    # To ask for the whole name may take as long as a name server is away, and cannot be given up.
    threading.Thread(target=lambda: hosts.add(socket.getfqdn()), daemon=True).start()
    return hosts


class HeadCheck:
    """A `HeadCheck` is the ASGI middleware that refuses requests with a wrong or ambiguous head.

    What passes is routed by its path as it was sent, where a %2F ends no step. ``unwanted`` in its
    scope is the Problem that its body is, or None: the route that is found raises it.
    """

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["unwanted"] = check_head(scope, self._hosts)
        scope["path"] = scope["raw_path"].decode("ascii", "replace")
        await self._app(scope, receive, send)


def check_head(scope: Scope, hosts: Hosts) -> Problem | None:
    """Raise the Problem that the host of a head is; return the one that its body would be, if any.

    That one is for a request of a path that there is, by a method that the path has.
    """
    version = scope.get("http_version", "1.1")
    asked: list[bytes] = []
    body: Problem | None = None
    for name, value in scope["headers"]:
        if name == b"host":
            asked.append(value)
        elif (check := _CHECKS.get(name)) is not None:
            body = body or check(scope["method"], version, value.strip().lower())
    if len(asked) > 1:
        raise Problem(400, "two Host headers; send one", headers=_CLOSE)
    if not asked and version != "1.0":
        raise Problem(400, "no Host header; HTTP/1.1 needs one", headers=_CLOSE)
    if authority := scope.get("state", {}).get("authority"):
        asked.append(authority)
    for each in asked:
        _check_host(each.decode("latin-1"), hosts)
    return body


def _check_host(host: str, hosts: Hosts) -> None:
    if host and not hosts.known(host):
        raise Problem(
            421,
            f"this coordinator is not called {_bare(host)!r}: ask it by its address or a name of"
            " its host, or let that name be one of its allowed_hosts",
            headers=_CLOSE,
        )


def _check_transfer(method: str, version: str, value: bytes) -> Problem | None:
    if version == "1.0":
        # Where such a request ends is anybody's guess, whatever it asks for.
        raise Problem(400, "HTTP/1.0 knows no Transfer-Encoding; use HTTP/1.1", headers=_CLOSE)
    return _check_bodiless(method)


def _check_length(method: str, version: str, value: bytes) -> Problem | None:
    return _check_bodiless(method) if value.lstrip(b"0") else None


def _check_bodiless(method: str) -> Problem | None:
    if method not in _BODILESS:
        return None
    return Problem(400, f"{method} takes no body here; send none", headers=_CLOSE)


def _check_expect(method: str, version: str, value: bytes) -> Problem | None:
    if value == b"100-continue":
        return None
    return Problem(417, "only Expect: 100-continue can be met", headers=_CLOSE)


def _check_encoding(method: str, version: str, value: bytes) -> Problem | None:
    if value in (b"", b"identity"):
        return None
    return Problem(
        415,
        "send the body as it is, without Content-Encoding",
        headers={**_CLOSE, "accept-encoding": "identity"},
    )


_CHECKS = {
    b"transfer-encoding": _check_transfer,
    b"content-length": _check_length,
    b"expect": _check_expect,
    b"content-encoding": _check_encoding,
}


def _bare(host: str) -> str:
    """Return ``host`` without port, brackets and a final dot, in small letters."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    if colon and ":" not in name and (port.isdigit() or not port):
        host = name
    return host.rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
