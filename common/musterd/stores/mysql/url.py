"""The module reads what a MySQL or MariaDB URL says, and where it leads; pure but for the files it names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote

from musterd.errors import ConfigError
from musterd.stores.mysql import optionfile
from musterd.stores.mysql.tls import FILES, NOT_TAKEN, Demand, demanded
from musterd.stores.mysql.tls import OPTIONS as TLS_OPTIONS
from musterd.urls import database_parts, host_and_port, without_secret

DEFAULT_PORT = 3306
_FORM = "write mysql://user:password@host:3306/database, with %XX for / ? # @ in a password"
_FILE, _GROUP = "read_default_file", "read_default_group"
_CHARSETS = ("utf8", "utf8mb3", "utf8mb4")
_TIMES = "leave it out; push_timeout and sweep_timeout are musterd's own"
_NOT_TAKEN = {
    **NOT_TAKEN,
    "connect_timeout": _TIMES,
    "read_timeout": _TIMES,
    "write_timeout": _TIMES,
}
OPTIONS = ("unix_socket", _FILE, _GROUP, "charset", *TLS_OPTIONS)
"""What may stand behind the ``?`` of a URL."""


@dataclass(frozen=True, slots=True)
class Target:
    """A ``Target`` is where a URL leads. ``name`` and ``url`` hold no secret."""

    name: str
    url: str
    user: str
    _password: str = field(repr=False)
    addresses: tuple[tuple[str, int], ...]
    database: str
    unix_socket: str = ""
    tls: Demand | None = None
    _file: str = ""
    _group: str = optionfile.GROUP

    @property
    def hosts(self) -> int:
        """Return how many hosts it has."""
        return max(1, len(self.addresses))

    @property
    def keeps_secrets(self) -> bool:
        """Say whether only the server that is meant can hear what is said to it."""
        return bool(self.unix_socket) or (self.tls is not None and self.tls.chain)

    def password(self) -> str:
        """Return the password; raise ConfigError where it is in a file that cannot be used."""
        return optionfile.password_in(self._file, self._group) if self._file else self._password

    def each(self) -> "list[Target]":
        """Return the targets of each host alone, where it has several; else none."""
        alone = self.addresses if self.hosts > 1 else ()
        return [replace(self, name=address_text(one), addresses=(one,)) for one in alone]

    def address(self, turn: int) -> tuple[str, int]:
        """Return the host and the port that ``turn`` comes to."""
        return self.addresses[turn % len(self.addresses)]


def parse_url(url: str) -> Target:
    """Return the target of ``mysql://user:password@host:3306/database``, or of ``mariadb://…``.

    Raises ConfigError, without the password, for whatever could not be used.
    """
    shown = without_secret(url)
    parts, options = database_parts(url, _FORM)
    database = unquote(parts.path.removeprefix("/"))
    if not database or "/" in database:
        raise ConfigError(f"{shown} names no database: {_FORM}")
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if not user:
        raise ConfigError(f"{shown} names no user: {_FORM}")
    try:
        _check_options(options)
        socket = _socket(options)
        file, group = _option_file(options)
        demand = demanded(_with_file(options, file, group, private=not password))
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}") from None
    if bool(socket) == bool(hosts):
        raise ConfigError(f"{shown} needs a host or a unix_socket, and not both: {_FORM}")
    addresses = tuple(_address(shown, one) for one in hosts.split(",")) if hosts else ()
    name = f"{socket or ','.join(map(address_text, addresses))}/{database}"
    target = Target(
        *(name, shown, unquote(user), unquote(password), addresses, database, socket),
        tls=demand,
        _file="" if password else file,  # what a URL says itself counts, as with every driver
        _group=group,
    )
    target.password()
    return target


def _check_options(options: Mapping[str, str]) -> None:
    for name in options:
        if name in _NOT_TAKEN:
            raise ConfigError(f"option {name!r} is not taken: {_NOT_TAKEN[name]}")
        if name not in OPTIONS:
            raise ConfigError(f"option {name!r} is not one of {', '.join(OPTIONS)}")
    if not is_charset(options.get("charset", "utf8mb4")):
        raise ConfigError(f"charset {options['charset']!r}: leave it out; musterd speaks utf8mb4")


def is_charset(name: str) -> bool:
    """Say whether ``name`` is a part of utf8mb4, in which musterd speaks whatever a URL says."""
    return name.lower() in _CHARSETS


def _socket(options: Mapping[str, str]) -> str:
    socket = options.get("unix_socket", "")
    if socket and not (Path(socket).is_absolute() and socket.isprintable()):
        raise ConfigError(f"unix_socket {socket!r} is no absolute path")
    return socket


def _option_file(options: Mapping[str, str]) -> tuple[str, str]:
    file, group = options.get(_FILE, ""), options.get(_GROUP, "")
    if group and not file:
        raise ConfigError(f"{_GROUP} is a section of a file: name that in {_FILE}")
    if not file.isprintable():
        raise ConfigError(f"{_FILE} {file!r} is no path")
    return file, group or optionfile.GROUP


def _with_file(
    options: Mapping[str, str], file: str, group: str, *, private: bool
) -> Mapping[str, str]:
    """Return ``options``, and those of TLS in the option file that they do not have themselves."""
    if not file:
        return options
    found = optionfile.options_in(file, group, private=private)
    for name in NOT_TAKEN.keys() & found.keys():
        raise ConfigError(f"{name} in {file} is not taken: {NOT_TAKEN[name]}")
    return {**{name: found[name] for name in FILES if found.get(name)}, **options}


def _address(shown: str, address: str) -> tuple[str, int]:
    try:
        return host_and_port(address, default_port=DEFAULT_PORT)
    except ValueError:
        raise ConfigError(f"{shown} has a host that is no host or host:port: {_FORM}") from None


def address_text(address: tuple[str, int]) -> str:
    """Return a host and its port as they stand in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
