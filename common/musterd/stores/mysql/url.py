"""The module reads what a MySQL or MariaDB URL says, and where it leads; pure."""

from configparser import Error, RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from musterd.errors import ConfigError
from musterd.keyfiles import read_private
from musterd.urls import database_parts, host_and_port, without_secret

DEFAULT_PORT = 3306
_FORM = "write mysql://user:password@host:3306/database, with %XX for / ? # @ in a password"
_PASSWORDS = "read_default_file"
OPTIONS = ("unix_socket", _PASSWORDS)
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
    _file: str = ""

    @property
    def hosts(self) -> int:
        """Return how many hosts it has."""
        return max(1, len(self.addresses))

    def password(self) -> str:
        """Return the password; raise ConfigError where it is in a file that cannot be used."""
        return _password_in(Path(self._file)) if self._file else self._password

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
    socket = _socket(shown, options)
    if bool(socket) == bool(hosts):
        raise ConfigError(f"{shown} needs a host or a unix_socket, and not both: {_FORM}")
    addresses = tuple(_address(shown, one) for one in hosts.split(",")) if hosts else ()
    name = f"{socket or ','.join(map(_text, addresses))}/{database}"
    target = Target(
        *(name, shown, unquote(user), unquote(password), addresses, database, socket),
        options.get(_PASSWORDS, ""),
    )
    if password and options.get(_PASSWORDS):
        raise ConfigError(f"{shown} has a password and a {_PASSWORDS}: leave one of them out")
    target.password()
    return target


def _password_in(path: Path) -> str:
    """Return the password in the section ``[client]`` of an option file, as ``mariadb`` reads it."""
    what, options = "option file of MariaDB", RawConfigParser(strict=False, allow_no_value=True)
    try:
        options.read_string(read_private(path, what))
        password = options.get("client", "password")
    except Error:
        password = None
    if password is None:
        raise ConfigError(f"the {what} {path} has no line password=… in a section [client]")
    quoted = len(password) > 1 and password[0] == password[-1] and password[0] in "'\""
    return password[1:-1] if quoted else password


def _socket(shown: str, options: dict[str, str]) -> str:
    for name in options:
        if name not in OPTIONS:
            raise ConfigError(f"{shown}: option {name!r} is not one of {', '.join(OPTIONS)}")
    socket = options.get("unix_socket", "")
    if socket and not Path(socket).is_absolute():
        raise ConfigError(f"{shown}: unix_socket {socket!r} is no absolute path")
    return socket


def _address(shown: str, address: str) -> tuple[str, int]:
    try:
        return host_and_port(address, default_port=DEFAULT_PORT)
    except ValueError:
        raise ConfigError(f"{shown} has a host that is no host or host:port: {_FORM}") from None


def _text(address: tuple[str, int]) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
