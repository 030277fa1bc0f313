"""A ``nova.conf`` is read as it stands, for the few of its options that musterd needs.

Which those are, and what becomes of them, is here; how they are written is in
:mod:`musterd.settings.novafile`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.settings import novadatabase
from musterd.settings.inifile import Name, label
from musterd.settings.novafile import NovaFile

EMBEDDED = "embedded://127.0.0.1:11311"

_PLAIN = {
    "service_down_time": ("DEFAULT", "service_down_time"),
    "interval": ("DEFAULT", "report_interval"),
    "member": ("DEFAULT", "host"),
}
_DRIVER = ("DEFAULT", "servicegroup_driver")
_CACHE_SERVERS = ("cache", "memcache_servers")
_OLD_SERVERS = ("DEFAULT", "memcached_servers")
_TOKEN_SERVERS = ("keystone_authtoken", "memcached_servers")
_CONNECTION = ("database", "connection")
_TLS = ("cache", "tls_enabled")
_TLS_FILES = {
    "ca_file": ("cache", "tls_cafile"),
    "cert_file": ("cache", "tls_certfile"),
    "key_file": ("cache", "tls_keyfile"),
}
_SASL = ("cache", "memcache_sasl_enabled")
_BACKEND = ("cache", "backend")


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
    problems: Mapping[str, str] = {}
    warnings: Mapping[str, Sequence[str]] = {}
    unfit_for_agents: Mapping[str, str] = {}


def read(nova: NovaFile) -> Found:
    """Return what a nova.conf says to musterd."""
    values, problems = _values(nova, _PLAIN)
    try:
        store = _store(nova)
    except ConfigError as error:
        return Found(values, {**problems, "store": f"{nova.file}: {error}"})
    warnings = {"store": [f"{nova.file}: {warning}" for warning in store.warnings]}
    unfit = {"store": f"{nova.file}: {store.unfit_for_agents}"} if store.unfit_for_agents else {}
    if store.by_tls:
        files, unusable = _values(nova, _TLS_FILES)
        values, problems = {**values, **files}, {**problems, **unusable}
    return Found({**values, "store": store.value}, problems, warnings, unfit)


def _values(nova: NovaFile, names: Mapping[str, Name]) -> tuple[dict[str, Value], dict[str, str]]:
    """Return what these options are set to by musterd's keys, and what is wrong with the others."""
    values, problems = {}, {}
    for key, name in names.items():
        try:
            text = nova.text(name)
        except ConfigError as error:
            problems[key] = f"{nova.file}: {error}"
        else:
            if text:
                values[key] = Value(text, label(name))
    return values, problems


class _Store(NamedTuple):
    value: Value
    warnings: Sequence[str] = ()
    unfit_for_agents: str = ""
    by_tls: bool = False


def _store(nova: NovaFile) -> _Store:
    driver = nova.text(_DRIVER).lower() or "db"  # Nova's own default
    if driver == "mc":
        return _memcached(nova)
    if driver == "db":
        return _database(nova)
    raise ConfigError(f"{label(_DRIVER)}: {driver!r} is not usable; use db or mc")


def _instead(nova: NovaFile) -> str:
    """Say what to do where this file names no store.

    It is never to change the file: that would change Nova itself, as the driver of one compute host's
    nova.conf decides where that host reports to. The memcached that serves Nova otherwise is named,
    where there is one.
    """
    return (
        "name musterd's store, the same for agents and coordinators, with --store or MUSTERD_STORE,"
        f" such as {_memcached_at_hand(nova)}, and leave this file as Nova needs it"
    )


def _memcached_at_hand(nova: NovaFile) -> str:
    for name in (_CACHE_SERVERS, _TOKEN_SERVERS):
        try:
            servers = nova.servers(name)
            if servers and not any(map(_is_here, servers)):
                return _url(nova, servers)
        except ConfigError:
            continue  # what is wrong with servers that Nova may never use is not for here
    return "memcached://HOST:11211"


def _is_here(server: str) -> bool:
    return server.startswith(("localhost:", "127.", "[::1]:"))  # another one on each host


def _url(nova: NovaFile, servers: Sequence[str]) -> str:
    scheme = "memcached+tls" if nova.is_true(_TLS) else "memcached"
    return f"{scheme}://{','.join(servers)}"


def _memcached(nova: NovaFile) -> _Store:
    _refuse_other_caches(nova)
    new, old = nova.servers(_CACHE_SERVERS), nova.servers(_OLD_SERVERS)
    for name, servers in ((_CACHE_SERVERS, new), (_OLD_SERVERS, old)):
        if servers:
            value = Value(_url(nova, servers), label(name))
            return _Store(value, _old_servers_warning(new, old), by_tls=nova.is_true(_TLS))
    return _nobody_named(nova)


def _refuse_other_caches(nova: NovaFile) -> None:
    if nova.is_true(_SASL):
        raise ConfigError(
            f"{label(_SASL)} is set, and musterd speaks no SASL to memcached; {_instead(nova)}"
        )
    if (backend := nova.text(_BACKEND)) in ("oslo_cache.dict", "dogpile.cache.memory"):
        raise ConfigError(
            f"{label(_BACKEND)} is {backend}, which keeps everything in one process, and"
            f" {label(_DRIVER)} is mc; {_instead(nova)}"
        )


def _old_servers_warning(new: Sequence[str], old: Sequence[str]) -> list[str]:
    if not old or new == old:
        return []
    used = f"using those of {label(_CACHE_SERVERS)}" if new else "using them all the same"
    return [f"{label(_OLD_SERVERS)} has servers that Nova no longer looks at; {used}"]


def _nobody_named(nova: NovaFile) -> _Store:
    said = _OLD_SERVERS if nova.has(_OLD_SERVERS) else _CACHE_SERVERS
    if nova.has(said):
        warning = f"{label(said)} names no servers: using {EMBEDDED}, the coordinator's own store"
        return _Store(Value(EMBEDDED, label(said)), [warning])
    missing = f"{label(_DRIVER)} is mc, and {label(_CACHE_SERVERS)} names no servers"
    return _Store(
        Value(EMBEDDED, label(_DRIVER)),
        [f"{missing}: using {EMBEDDED}, the coordinator's own store"],
        f"{missing}, so its beats would go to this very host, where a coordinator is seldom;"
        f" {_instead(nova)}",
    )


def _database(nova: NovaFile) -> _Store:
    where = label(_CONNECTION)
    try:
        connection = nova.text(_CONNECTION)
    except ConfigError as error:
        raise ConfigError(f"{error}; {_instead(nova)}") from None
    if not connection:
        raise ConfigError(
            f"{where} is missing, and {label(_DRIVER)} is db ({_why_db(nova)}); {_instead(nova)}"
        )
    try:
        found = novadatabase.store_in(connection)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if found is None:
        raise ConfigError(f"{where} {novadatabase.refusal(connection)}; {_instead(nova)}")
    return _Store(Value(found.url, where), [f"{where} {warning}" for warning in found.warnings])


def _why_db(nova: NovaFile) -> str:
    return "as set" if nova.text(_DRIVER) else "Nova's default"
