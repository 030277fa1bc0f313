"""The module finds what in a controller's nova.conf would keep Nova from asking the door, or mislead it.

Every finding follows from a line in Nova (``cache_utils.py``, ``servicegroup/drivers/mc.py``), oslo.cache
(``core.py``, ``_opts.py``) or a client, and was seen with Nova 34; ``docs/nova.md`` has them all. Pure.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.settings.inifile import Name, label
from musterd.settings.novafile import MEMCACHED_PORT, NovaFile
from musterd.urls import host_and_port, without_secret

TEXT = ("dogpile.cache.memcached", "oslo_cache.memcache_pool")
"""Backends that speak the text protocol by python-memcached, and hold a server for dead for a while."""

PYMEMCACHE, BINARY = "dogpile.cache.pymemcache", "dogpile.cache.bmemcached"
BACKENDS = (*TEXT, PYMEMCACHE, BINARY)
"""Backends by which Nova asks a memcached, and the door."""

TLS_BACKENDS = ("oslo_cache.memcache_pool", PYMEMCACHE)
"""Those of them that take ``tls_enabled``; oslo.cache calls the third by a name that it has not."""

_DRIVER, _ENABLED = ("DEFAULT", "servicegroup_driver"), ("cache", "enabled")
_BACKEND, _SERVERS = ("cache", "backend"), ("cache", "memcache_servers")
_ARGUMENT, _PROXIES = ("cache", "backend_argument"), ("cache", "proxies")
_DEAD, _TIMEOUT = ("cache", "memcache_dead_retry"), ("cache", "memcache_socket_timeout")
_NEW_TIMEOUT, _TLS = ("cache", "socket_timeout"), ("cache", "tls_enabled")
_EXPIRY, _DOWN_TIME = ("cache", "backend_expiration_time"), ("DEFAULT", "service_down_time")
_RETRY, _COMPUTE = ("cache", "enable_retry_client"), ("DEFAULT", "compute_driver")

_NOVAS_DEAD_RETRY, _NOVAS_TIMEOUT, _NOVAS_DOWN_TIME = 300.0, 1.0, 60.0
_LEAST_TIMEOUT = 1.0
"""Seconds that a door may take to start again."""

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Severity(StrEnum):
    """A ``Severity`` says what comes of a finding."""

    BITES = "bites"  # Nova takes living hosts for down, or asks the door nothing
    MIND = "mind"  # it does so in some fault, or there is something to know


class Finding(NamedTuple):
    """A ``Finding`` is about one option of the file, and says what comes of it and what to write."""

    severity: Severity
    option: str
    text: str


class DoorFacts(NamedTuple):
    """``DoorFacts`` are where the door listens, and whether by TLS."""

    host: str
    port: int
    tls: bool


def findings(options: NovaFile, door: DoorFacts) -> list[Finding]:
    """Return what is wrong with a nova.conf for a controller whose Nova is to ask ``door``.

    Raises ConfigError for a value that refers to one that is not there, and for a file without options.
    """
    if options.is_empty:
        raise ConfigError(f"{options.file} sets no option")
    found = [*_switches(options), *_backend(options)]
    if options.text(_BACKEND) in BACKENDS:
        found += [*_servers(options, door), *_tls(options, door), *_times(options), *_rest(options)]
    return sorted(found, key=lambda one: one.severity is not Severity.BITES)


def _bites(name: Name, text: str) -> Finding:
    return Finding(Severity.BITES, label(name), text)


def _mind(name: Name, text: str) -> Finding:
    return Finding(Severity.MIND, label(name), text)


def _switches(options: NovaFile) -> Iterator[Finding]:
    driver = options.text(_DRIVER).lower() or "db"
    if driver != "mc":
        yield _bites(_DRIVER, f"is {driver}: Nova asks its database and not the door; write mc")
    if not options.is_true(_ENABLED):
        yield _bites(
            _ENABLED,
            "is not true: Nova has no client, and every question fails with AttributeError:"
            " 'NoneType' object has no attribute 'get'; write true",
        )
    if options.text(_COMPUTE):
        yield _mind(
            _COMPUTE,
            "is set, as on a compute host: with mc its nova-compute reports to the door and no more to"
            " the database; leave compute hosts at db",
        )


def _backend(options: NovaFile) -> Iterator[Finding]:
    backend = options.text(_BACKEND) or "dogpile.cache.null"
    if backend in BACKENDS:
        return
    usable = " or ".join(TEXT)
    why = "is no client of a memcached, so Nova takes every host for down"
    if backend == "dogpile.cache.null":
        why = "keeps nothing, so Nova takes every host for down"
    elif backend == "dogpile.cache.pylibmc":
        why = "was not tried with the door"
    yield _bites(_BACKEND, f"is {backend}, which {why}; write {usable}")


def _servers(options: NovaFile, door: DoorFacts) -> Iterator[Finding]:
    where = _written(door)
    given = [text for text in options.texts(_ARGUMENT) if text.startswith("url:")]
    if given:
        yield _bites(
            _ARGUMENT,
            f"has {without_secret(given[0])}, which overrides {label(_SERVERS)}; remove it",
        )
    servers = options.words(_SERVERS) or [f"localhost:{MEMCACHED_PORT}"]
    doors = [server for server in servers if _is(server, door)]
    if not doors:
        yield _bites(_SERVERS, f"is {','.join(servers)}, and the door is {where}; write {where}")
    elif len(servers) > 1:
        yield _bites(
            _SERVERS,
            f"has {len(servers)} servers, of which clients choose one for each host: those that are no"
            f" door of musterd know no host, and it is down; write {where} alone",
        )
    for server in servers:
        if "[" in server and not server.startswith("inet6:") and options.text(_BACKEND) in TEXT:
            yield _bites(_SERVERS, f"has {server}, which python-memcached reads as inet6:{server}")


def _written(door: DoorFacts) -> str:
    return f"inet6:[{door.host}]:{door.port}" if ":" in door.host else f"{door.host}:{door.port}"


def _is(server: str, door: DoorFacts) -> bool:
    try:
        host, port = host_and_port(server.removeprefix("inet6:"), default_port=MEMCACHED_PORT)
    except ValueError:
        return False
    same = host == door.host or (host in _LOOPBACK and door.host in _LOOPBACK)
    return same and port == door.port


def _tls(options: NovaFile, door: DoorFacts) -> Iterator[Finding]:
    wanted, backend = options.is_true(_TLS), options.text(_BACKEND)
    if wanted and backend not in TLS_BACKENDS:
        yield _bites(_TLS, f"does not go with {backend}: Nova does not start; write false")
    elif wanted and not door.tls:
        yield _bites(_TLS, "is true, and the door speaks no TLS; write false: it is on this host")
    elif door.tls and not wanted:
        yield _bites(_TLS, "is false, and the door speaks TLS (nova_tls); write true")
    elif wanted:
        yield _mind(
            _TLS,
            "is true: connections by TLS end when the door starts again, and each client takes one host"
            " for down then; without TLS they do not end",
        )


def _times(options: NovaFile) -> Iterator[Finding]:
    backend = options.text(_BACKEND)
    dead = options.number(_DEAD, _NOVAS_DEAD_RETRY)
    if backend in TEXT and dead > 0:
        yield _mind(
            _DEAD,
            f"is {dead:g}: if the door does not answer once, or hangs up, Nova takes every host for down"
            f" for {dead:g} s; write 0, and it asks again at once",
        )
    timeout = options.number(_NEW_TIMEOUT, options.number(_TIMEOUT, _NOVAS_TIMEOUT))
    if backend in TEXT and timeout < _LEAST_TIMEOUT:
        yield _mind(
            _NEW_TIMEOUT,
            f"is {timeout:g}: a door that starts again may take longer to answer; write 1 or more",
        )
    if backend == PYMEMCACHE and not options.is_true(_RETRY):
        yield _mind(
            _RETRY,
            "is not true: while a door is away without systemd's socket, requests of users fail; write"
            " true, and it is asked twice",
        )
    down_time = options.number(_DOWN_TIME, _NOVAS_DOWN_TIME)
    if 0 < options.number(_EXPIRY, 0.0) < down_time:
        yield _bites(
            _EXPIRY,
            f"is less than {label(_DOWN_TIME)} ({down_time:g}): Nova does not start; remove it",
        )


def _rest(options: NovaFile) -> Iterator[Finding]:
    if options.words(_PROXIES):
        yield _mind(_PROXIES, "has code of its own between Nova and the door, which nobody tried")
