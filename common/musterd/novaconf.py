"""A ``nova.conf`` as it stands, read for the few of its options that musterd needs.

The format and its interpolation are oslo.config's: ``key = value`` or ``key: value``, a value in
one pair of quotes loses them, indented lines go on, the last of several assignments counts, and
``$name``, ``${name}`` and ``$group.name`` stand for other plain values.
"""

import re
from collections.abc import Iterator, Mapping
from string import Template
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.urls import host_and_port, without_secret

EMBEDDED = "embedded://127.0.0.1:11311"
MEMCACHED_PORT = 11211

_DEPTH = 10
_PLAIN = {
    "service_down_time": ("DEFAULT", "service_down_time"),
    "interval": ("DEFAULT", "report_interval"),
    "member": ("DEFAULT", "host"),
}
_DRIVER = ("DEFAULT", "servicegroup_driver")
_SERVERS = (("DEFAULT", "memcached_servers"), ("cache", "memcache_servers"))
_CONNECTION = ("database", "connection")

Name = tuple[str, str]
Sections = Mapping[Name, str]


class Value(NamedTuple):
    """What one musterd option gets, and from which option of the file: ``[DEFAULT] host``."""

    text: str
    option: str


class Found(NamedTuple):
    """Values by musterd's keys; problems are fatal only where nothing else gives the key."""

    values: Mapping[str, Value]
    problems: Mapping[str, str]


def read(file: str, text: str) -> Found:
    """What the text of a nova.conf says to musterd. Raises ConfigError where it is no INI text."""
    sections = dict(assignments(file, text))
    try:
        values = {key: Value(_text(sections, name), _label(name)) for key, name in _PLAIN.items()}
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    found = {key: value for key, value in values.items() if value.text}
    try:
        return Found({**found, "store": _store(sections)}, {})
    except ConfigError as error:
        return Found(found, {"store": f"{file}: {error}"})


def _label(name: Name) -> str:
    return f"[{name[0]}] {name[1]}"


def assignments(file: str, text: str) -> Iterator[tuple[Name, str]]:
    """``((section, key), value)`` for each assignment of an INI text, as oslo.config splits it."""
    section, key, lines = "DEFAULT", "", [""]
    for number, line in enumerate([*text.splitlines(), ""], 1):
        line = line.rstrip()
        if line.startswith((" ", "\t")):
            if not key:
                raise ConfigError(f"{file}, line {number}: {line.strip()!r} continues nothing")
            lines.append(line.lstrip())
            continue
        if key:
            yield (section, key), "\n".join(lines)
            key = ""
        if line.startswith("["):
            section = _section(file, number, line)
        elif line and not line.startswith(("#", ";")):
            key, value = _assignment(file, number, line)
            lines = [value]


def _section(file: str, number: int, line: str) -> str:
    if not line.endswith("]") or len(line) < 3:
        raise ConfigError(f"{file}, line {number}: {line!r} is no section; write [NAME]")
    return line[1:-1]


def _assignment(file: str, number: int, line: str) -> tuple[str, str]:
    key, separator, value = re.match(r"([^:=]*)([:=]?)(.*)", line).groups()  # type: ignore[union-attr]  # matches anything
    if not separator or not key.strip():
        # The line itself stays unsaid: in a nova.conf it may well be half a password.
        raise ConfigError(f"{file}, line {number} is neither [SECTION] nor KEY = VALUE")
    return key.strip(), unquoted(value.strip())


def unquoted(text: str) -> str:
    """``text`` without the one pair of quotes around it, if there is one."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


class _OsloTemplate(Template):
    idpattern = r"[_a-z][._a-z0-9]*"


class _Names(Mapping[str, str]):
    """The values that ``$name`` in one section may stand for."""

    def __init__(self, sections: Sections, section: str, depth: int) -> None:
        self._sections, self._section, self._depth = sections, section, depth

    def __getitem__(self, name: str) -> str:
        section, dot, key = name.rpartition(".")
        for place in (section,) if dot else (self._section, "DEFAULT"):
            if (place, key) in self._sections:
                return interpolate(self._sections, (place, key), self._depth - 1)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def interpolate(sections: Sections, name: Name, depth: int = _DEPTH) -> str:
    """The value of ``name`` with ``$other`` replaced; an unknown ``$other`` stays as it is."""
    raw = sections[name].replace(r"\$", "$$")
    if not depth:
        raise ConfigError(f"{_label(name)} refers to itself in a circle")
    return _OsloTemplate(raw).safe_substitute(_Names(sections, name[0], depth))


def _store(sections: Sections) -> Value:
    driver = _text(sections, _DRIVER).lower() or "db"  # Nova's own default
    if driver == "mc":
        return _memcached(sections)
    if driver == "db":
        return _database(sections)
    raise ConfigError(f"{_label(_DRIVER)}: {driver!r} is not usable; use db or mc")


def _text(sections: Sections, name: Name) -> str:
    """The value of ``name``; empty where it is not set, or set to ``<None>``."""
    text = interpolate(sections, name).strip() if name in sections else ""
    return "" if text.lower() in ("<none>", "none") else text


def _memcached(sections: Sections) -> Value:
    for name in _SERVERS:
        if text := _text(sections, name):
            words = [word.strip(" \t\"'") for word in re.split(r"[,\n]", text)]
            servers = [_server(name, word) for word in words if word]
            if servers:
                return Value(f"memcached://{','.join(dict.fromkeys(servers))}", _label(name))
    return Value(EMBEDDED, _label(_SERVERS[0] if _SERVERS[0] in sections else _DRIVER))


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
            f"{_label(name)}: {word!r} is no memcached server; write HOST:PORT, or [ADDRESS]:PORT"
        )
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _database(sections: Sections) -> Value:
    where, connection = _label(_CONNECTION), _text(sections, _CONNECTION)
    if not connection:
        raise ConfigError(
            f"{where} is missing, and {_label(_DRIVER)} is db ({_why_db(sections)}); add the"
            " connection, or name a store with MUSTERD_STORE"
        )
    dialect, separator, rest = connection.partition("://")
    if dialect.partition("+")[0] not in ("postgresql", "postgres") or not separator:
        raise ConfigError(
            f"{where} is {without_secret(connection)!r}, and musterd needs PostgreSQL or memcached;"
            " set servicegroup_driver = mc with memcached_servers, or name a store with"
            " MUSTERD_STORE"
        )
    return Value(f"postgresql://{rest}", where)


def _why_db(sections: Sections) -> str:
    return "as set" if _text(sections, _DRIVER) else "Nova's default"
