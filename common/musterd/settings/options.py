"""An option is declared by what it is for, what values it takes, and how it is read.

:mod:`musterd.settings.declared` declares every option once; fields of ``Settings`` are annotated with them.
Command line, environment, files, checks and the reference in ``docs/`` all follow from that.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from musterd.errors import ConfigError
from musterd.urls import host_and_port, listen_parts, socket_path

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")

_LONGEST_NAMESPACE = 32

DAY = 86400.0
"""The seconds of a day."""

WATCHED = "nova+"
"""URLs of databases begin so where Nova's own tables are watched in them."""

DATABASES = ("postgresql://", "postgres://", "mysql://", "mariadb://")
"""URLs of databases begin so, where beats and a registry that coordinators share can be."""


class Unusable(ValueError):
    """An ``Unusable`` means a value that an option does not take; the text says what it takes."""


class Role(StrEnum):
    """A ``Role`` says which programs read an option."""

    EVERYONE = "every command"
    CONNECTION = "every command that connects to something"
    AGENT = "agent"
    COORDINATOR = "coordinator"
    LISTENER = "coordinator, relay and nova"
    RELAY = "relay"
    DOOR = "coordinator and nova"
    NOVA = "nova"
    NOTIFY = "notify"
    READER = "reader"

    def includes(self, program: "Role") -> bool:
        """Say whether ``program``, one of them, reads options of this role."""
        if self is Role.LISTENER:
            return program in (Role.COORDINATOR, Role.RELAY, Role.NOVA)
        if self is Role.DOOR:
            return program in (Role.COORDINATOR, Role.NOVA)
        if self is Role.READER and program in (Role.NOVA, Role.NOTIFY):  # they follow coordinators
            return True
        return self in (Role.EVERYONE, Role.CONNECTION, program)


class OptionKind:
    """An ``OptionKind`` is the values that an option takes.

    ``wanted`` completes "use …"; ``metavar`` stands in for one value.
    """

    wanted: str
    metavar: str

    def read(self, value: object) -> Any:
        """Return the value out of what a TOML file gives. Raises :class:`Unusable`."""
        raise NotImplementedError

    def read_text(self, text: str) -> Any:
        """Return the value out of a word of the command line, the environment or an INI file."""
        return self.read(text)


class Number(OptionKind):
    """A ``Number`` is from ``low`` to ``high``, both included; it is whole if these are."""

    def __init__(self, low: float, high: float, unit: str = "", metavar: str = "N") -> None:
        self.low, self.high = low, high
        self.whole = isinstance(low, int) and isinstance(high, int)
        self.metavar = metavar
        kind = "whole number" if self.whole else "number"
        self.wanted = f"a {kind}{f' of {unit}' if unit else ''} from {low:g} to {high:.12g}"

    def read(self, value: object) -> float:
        allowed = int if self.whole else (int, float)
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise Unusable(self.wanted)
        if not self.low <= value <= self.high:  # false for nan, too
            raise Unusable(self.wanted)
        return value if self.whole else float(value)

    def read_text(self, text: str) -> float:
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            raise Unusable(self.wanted) from None
        return self.read(number)


class Seconds(Number):
    """``Seconds`` are a duration, from ``low`` to ``high``."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__(float(low), float(high), "seconds", "S")


class Text(OptionKind):
    """A ``Text`` is a text that ``check`` accepts.

    For any other ``check`` raises ConfigError or ValueError.
    """

    def __init__(self, wanted: str, metavar: str, check: Callable[[str], object] = str) -> None:
        self.wanted, self.metavar, self._check = wanted, metavar, check

    def read(self, value: object) -> str:
        if not isinstance(value, str):
            raise Unusable(self.wanted)
        try:
            self._check(value)
        except (ConfigError, ValueError) as error:
            reason = str(error) if isinstance(error, ConfigError) else ""
            raise Unusable(f"{self.wanted} ({reason})" if reason else self.wanted) from None
        return value


class Choice(OptionKind):
    """A ``Choice`` is one of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.wanted = f"one of {', '.join(words)}"
        self.metavar = "|".join(words)

    def read(self, value: object) -> str:
        if value not in self.words:
            raise Unusable(self.wanted)
        return str(value)


class Switch(OptionKind):
    """A ``Switch`` is on or off."""

    wanted = "true or false"
    metavar = "true|false"

    def read(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise Unusable(self.wanted)
        return value

    def read_text(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise Unusable(self.wanted)
        return text == "true"


class OptionTable(OptionKind):
    """An ``OptionTable`` is names and texts that ``check`` accepts.

    They are a TOML table, or words ``K=V``.
    """

    wanted = "a table of texts, or K=V words"
    metavar = "K=V"

    def __init__(self, check: Callable[[Mapping[str, str]], object]) -> None:
        self._check = check

    def read(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, Mapping):
            raise Unusable(self.wanted)
        if not all(isinstance(item, str) for pair in value.items() for item in pair):
            raise Unusable(self.wanted)
        try:
            self._check(value)
        except ConfigError as error:
            raise Unusable(f"{self.wanted} ({error})") from None
        return dict(value)

    def read_text(self, text: str | Iterable[str]) -> Mapping[str, str]:
        words = text.split(",") if isinstance(text, str) else text
        pairs = [word.partition("=") for word in words if word.strip()]
        if not all(equals for _, equals, _ in pairs):
            raise Unusable(self.wanted)
        return self.read({name.strip(): value.strip() for name, _, value in pairs})


class Option(msgspec.Struct, frozen=True):
    """An ``Option`` has what it is for (``help``), its ``kind``, an ``example``, and what reads it.

    ``when_unset`` says what holds while nobody sets it, where the field's default does not.
    ``secret`` marks a URL, which may hold a password. What is ``private`` is a secret as a whole: it
    is never shown, and never comes from the command line.
    """

    help: str
    kind: OptionKind
    example: str
    role: Role = Role.EVERYONE
    when_unset: str = ""
    flag_name: str = ""
    secret: bool = False
    private: bool = False

    def flag(self, key: str) -> str:
        """Return ``--service-down-time`` for ``service_down_time``."""
        return "--" + (self.flag_name or key.replace("_", "-"))


def variable(key: str) -> str:
    """Return ``MUSTERD_SERVICE_DOWN_TIME`` for ``service_down_time``."""
    return f"MUSTERD_{key.upper()}"


def check_address(text: str) -> str:
    """Return ``text`` itself if it is ``host:port``; else raise ValueError."""
    host_and_port(text)
    return text


def check_listen(text: str) -> str:
    """Return ``text`` itself if it is addresses to listen on, with commas between; else raise ValueError."""
    for address in listen_parts(text) or [""]:
        if socket_path(address) is None:
            host_and_port(address)
    return text


def check_hosts(text: str) -> str:
    """Return ``text`` itself if it is names of hosts, * or nothing; else raise ValueError."""
    for name in text.split(",") if text else ():
        bare = name.strip()
        if bare != "*" and not _HOST.fullmatch(bare):
            raise ValueError(f"no name of a host: {bare!r}")
    return text


def check_web_urls(text: str) -> str:
    """Return ``text`` itself if it is one or more URLs of coordinators; else raise ValueError."""
    for url in map(str.strip, text.split(",")):
        if socket_path(url.removeprefix("http+")) is not None:
            continue
        scheme, separator, rest = url.partition("://")
        if scheme not in ("http", "https") or not separator or not rest.strip("/"):
            raise ValueError("no URL of a coordinator")
    return text


def check_namespace(text: str) -> str:
    """Return ``text`` itself if it can begin the keys of a store; else raise ValueError.

    A key has at most 250 characters in all.
    """
    if not 1 <= len(text) <= _LONGEST_NAMESPACE or not all(
        c.isascii() and (c.isalnum() or c in "_.-") for c in text
    ):
        raise ValueError(f"unusable: {text!r}")
    return text


def check_path(text: str) -> str:
    """Return ``text`` if it can be the path of a file, else raise ValueError."""
    if not text or not text.isprintable() or text.endswith("/"):
        raise ValueError("no path of a file")
    return text


def check_folder(text: str) -> str:
    """Return ``text`` if it can be the path of a folder, else raise ValueError."""
    if not text or not text.isprintable():
        raise ValueError("no path of a folder")
    return text


def check_store(text: str) -> str:
    """Return ``text`` itself if it begins like a URL; else raise ValueError.

    The store's driver checks the rest.
    """
    scheme, colon, _ = text.partition(":")
    words = scheme.split("+")  # as in memcached+tls and nova+mysql
    letters = "".join(words)
    if not (
        colon and all(words) and letters.isascii() and letters.isalpha() and text.isprintable()
    ):
        raise ValueError("not a URL")
    return text


def check_watch(text: str) -> str:
    """Return ``text`` itself if it begins like a URL of Nova's databases; else raise ValueError."""
    if not text.startswith(WATCHED):
        raise ValueError("no URL of Nova's databases")
    return check_store(text)


def check_registry(text: str) -> str:
    """Return ``text`` itself if a registry can be there; else raise ValueError."""
    if not text.startswith(("sqlite:///", *DATABASES)) or text == "sqlite:///":
        raise ValueError("no registry can be there")
    return text


FILE = Text("the path of a file", "FILE", check_path)
"""The kind of every option that names a file."""
