"""A ``nova.conf`` is read as it stands, for the few of its options that musterd needs.

Its text is read as oslo.config reads it (:mod:`musterd.settings.inifile`), with the files beside it
that Nova's own services read too.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.settings import novadatabase
from musterd.settings.inifile import Name, Sections, assignments, interpolate, label
from musterd.urls import host_and_port

EMBEDDED = "embedded://127.0.0.1:11311"
MEMCACHED_PORT = 11211

_PLAIN = {
    "service_down_time": ("DEFAULT", "service_down_time"),
    "interval": ("DEFAULT", "report_interval"),
    "member": ("DEFAULT", "host"),
}
_DRIVER = ("DEFAULT", "servicegroup_driver")
_CACHE_SERVERS = ("cache", "memcache_servers")
_OLD_SERVERS = ("DEFAULT", "memcached_servers")
_CONNECTION = ("database", "connection")
_TLS = ("cache", "tls_enabled")
_TLS_FILES = {
    "ca_file": ("cache", "tls_cafile"),
    "cert_file": ("cache", "tls_certfile"),
    "key_file": ("cache", "tls_keyfile"),
}
_SASL = ("cache", "memcache_sasl_enabled")
_BACKEND = ("cache", "backend")

INSTEAD = (
    "name a store of musterd's own with --store or MUSTERD_STORE, and leave this file as Nova"
    " needs it"
)
"""What to do where this file names no store. Changing the file would change Nova itself: the driver of
one compute host's nova.conf decides where that host reports to."""


class Value(NamedTuple):
    """A ``Value`` is what one musterd option gets, and from which option of the file.

    The option reads like ``[DEFAULT] host``.
    """

    text: str
    option: str


class Found(NamedTuple):
    """A ``Found`` has values by musterd's keys, and what is wrong with them.

    ``problems`` are fatal only where nothing else gives the key. ``warnings`` are by key as well,
    and do not matter where the value is from elsewhere. ``unfit_for_agents`` are the problems of
    agents only.
    """

    values: Mapping[str, Value]
    problems: Mapping[str, str]
    warnings: Mapping[str, Sequence[str]] = {}
    unfit_for_agents: Mapping[str, str] = {}


def files_of(file: Path) -> list[Path]:
    """Return ``file`` and what Nova reads with it, as oslo.config does; the later ones win.

    A directory stands for its ``*.conf``. Beside ``nova.conf`` Nova's compute service reads
    ``nova-compute.conf``, and every service the ``*.conf`` in the directory ``FILE.d``.
    """
    if file.is_dir():
        return _confs(file)
    compute = file.with_name("nova-compute.conf")
    beside = [compute] if file.name == "nova.conf" and compute.is_file() else []
    files = [file, *beside]
    return files + [more for one in files for more in _confs(one.with_name(f"{one.name}.d"))]


def _confs(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.conf") if path.is_file())


def read(file: str, texts: Sequence[tuple[str, str]]) -> Found:
    """Return what the texts of a nova.conf say to musterd: pairs of a file's name and its text.

    Raises ConfigError where one is no INI text. ``file`` is what errors call all of them.
    """
    sections = {name: value for one, text in texts for name, value in assignments(one, text)}
    try:
        names = {**_PLAIN, **(_TLS_FILES if _is_true(sections, _TLS) else {})}
        values = {key: Value(_text(sections, name), label(name)) for key, name in names.items()}
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    found = {key: value for key, value in values.items() if value.text}
    try:
        store = _store(sections)
    except ConfigError as error:
        return Found(found, {"store": f"{file}: {error}"})
    warnings = {"store": [f"{file}: {warning}" for warning in store.warnings]}
    unfit = {"store": f"{file}: {store.unfit_for_agents}"} if store.unfit_for_agents else {}
    return Found({**found, "store": store.value}, {}, warnings, unfit)


class _Store(NamedTuple):
    value: Value
    warnings: Sequence[str] = ()
    unfit_for_agents: str = ""


def _store(sections: Sections) -> _Store:
    driver = _text(sections, _DRIVER).lower() or "db"  # Nova's own default
    if driver == "mc":
        return _memcached(sections)
    if driver == "db":
        return _database(sections)
    raise ConfigError(f"{label(_DRIVER)}: {driver!r} is not usable; use db or mc")


def _text(sections: Sections, name: Name) -> str:
    """Return the value of ``name``; empty where it is not set, or set to ``<None>``."""
    text = interpolate(sections, name).strip() if name in sections else ""
    return "" if text.lower() in ("<none>", "none") else text


def _is_true(sections: Sections, name: Name) -> bool:
    return _text(sections, name).lower() in ("true", "1", "on", "yes")


def _memcached(sections: Sections) -> _Store:
    _refuse_other_caches(sections)
    new, old = _servers(sections, _CACHE_SERVERS), _servers(sections, _OLD_SERVERS)
    for name, servers in ((_CACHE_SERVERS, new), (_OLD_SERVERS, old)):
        if servers:
            scheme = "memcached+tls" if _is_true(sections, _TLS) else "memcached"
            value = Value(f"{scheme}://{','.join(servers)}", label(name))
            return _Store(value, _old_servers_warning(new, old))
    return _nobody_named(sections)


def _refuse_other_caches(sections: Sections) -> None:
    if _is_true(sections, _SASL):
        raise ConfigError(
            f"{label(_SASL)} is set, and musterd speaks no SASL to memcached; {INSTEAD}"
        )
    if (backend := _text(sections, _BACKEND)) in ("oslo_cache.dict", "dogpile.cache.memory"):
        raise ConfigError(
            f"{label(_BACKEND)} is {backend}, which keeps everything in one process, and"
            f" {label(_DRIVER)} is mc; {INSTEAD}"
        )


def _old_servers_warning(new: Sequence[str], old: Sequence[str]) -> list[str]:
    if not old or new == old:
        return []
    used = f"using those of {label(_CACHE_SERVERS)}" if new else "using them all the same"
    return [f"{label(_OLD_SERVERS)} has servers that Nova no longer looks at; {used}"]


def _nobody_named(sections: Sections) -> _Store:
    said = _OLD_SERVERS if _OLD_SERVERS in sections else _CACHE_SERVERS
    if said in sections:
        warning = f"{label(said)} names no servers: using {EMBEDDED}, the coordinator's own store"
        return _Store(Value(EMBEDDED, label(said)), [warning])
    missing = f"{label(_DRIVER)} is mc, and {label(_CACHE_SERVERS)} names no servers"
    return _Store(
        Value(EMBEDDED, label(_DRIVER)),
        [f"{missing}: using {EMBEDDED}, the coordinator's own store"],
        f"{missing}, so its beats would go to this very host, where a coordinator is seldom;"
        f" {INSTEAD}",
    )


def _servers(sections: Sections, name: Name) -> list[str]:
    words = [word.strip(" \t\"'") for word in re.split(r"[,\n]", _text(sections, name))]
    return list(dict.fromkeys(_server(name, word) for word in words if word))


def _server(name: Name, word: str) -> str:
    address = re.sub(r"^inet6?:(?=.*[:\]])|^inet6?:(?=[^:]+$)", "", word)
    if address.count(":") > 1 and not address.startswith("["):
        address = f"[{address}]"  # a bare IPv6 address
    try:
        host, port = host_and_port(address, default_port=MEMCACHED_PORT)
    except ValueError:
        host, port = "", 0
    if not host or "$" in host or "/" in host:
        raise ConfigError(
            f"{label(name)}: {word!r} is no memcached server; write HOST:PORT, or [ADDRESS]:PORT"
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _database(sections: Sections) -> _Store:
    where, connection = label(_CONNECTION), _text(sections, _CONNECTION)
    if not connection:
        raise ConfigError(
            f"{where} is missing, and {label(_DRIVER)} is db ({_why_db(sections)}); {INSTEAD}"
        )
    try:
        found = novadatabase.store_in(connection)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if found is None:
        raise ConfigError(f"{where} {novadatabase.refusal(connection)}; {INSTEAD}")
    return _Store(Value(found.url, where), [f"{where} {warning}" for warning in found.warnings])


def _why_db(sections: Sections) -> str:
    return "as set" if _text(sections, _DRIVER) else "Nova's default"
