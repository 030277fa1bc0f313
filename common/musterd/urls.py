"""The module knows what may be said aloud about a URL, and how URLs and addresses are written."""

import re
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from musterd.errors import ConfigError

# Greedy up to the last "@": an unescaped "/", "?" or "@" inside a password must not end it early.
# A URL that has an "@" elsewhere loses more than it had to, and nothing that should stay hidden.
_URL = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*://)?[^:/?#@]*):(?!//)(.+)@", re.DOTALL)
_URL_IN_TEXT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/?#@]*):(\S+)@")
LAST_PORT = 65535
_KEY = re.compile(r"\b(m[fm]k_|mt_[0-9a-f]{8}_)[A-Za-z0-9_+/=-]+")
_ENCODED = re.compile(r"[^\s'\"]*%[^\s'\"]*")
_OPTION = re.compile(r"([^?&\s=]+)(\s*=\s*)('[^']*'|[^&#\s]+)")


def without_secret(url: str) -> str:
    """Return ``url`` with ``***`` where it has a password, for logs, errors and screens.

    It knows ``scheme://user:password@host`` and ``password=`` among the options (libpq: ``password``,
    ``sslpassword``; PyMySQL: ``passwd``, ``ssl_key_password``), written with ``%XX`` or without. It
    never fails, whatever the text is.
    """
    return _without_keys(_without_options(_URL.sub(r"\1:***@", url)))


def without_secrets(text: str) -> str:
    """Return ``text`` with ``***`` for the password of every URL, and every key and token in it."""
    return _without_keys(_without_options(_URL_IN_TEXT.sub(r"\1:***@", text)))


def _without_keys(text: str) -> str:
    return _ENCODED.sub(_without_encoded, _KEY.sub(r"\1***", text))


def _without_encoded(word: re.Match[str]) -> str:
    return "***" if _KEY.search(unquote(word[0])) else word[0]


def _without_options(text: str) -> str:
    return _OPTION.sub(_without_value, text)


def _without_value(option: re.Match[str]) -> str:
    name, equals, _ = option.groups()
    # A driver reads %70assword as password, so it is one.
    return f"{name}{equals}***" if "passw" in unquote(name).lower() else option[0]


def has_secret(url: str) -> bool:
    """Say whether :func:`without_secret` would hide something."""
    return without_secret(url) != url


UNIX = "unix:"
_LONGEST_PATH = 107  # bytes: unix(7)


def database_parts(url: str, form: str) -> tuple[SplitResult, dict[str, str]]:
    """Return the parts of a database's URL, and its options.

    Raises ConfigError, without the password and with the usual ``form``, for one that is not well formed.
    """
    shown = without_secret(url)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ConfigError(f"{shown} is not well formed: {form}") from None
    # Anything after an unescaped / ? or # in a password would be taken for a name, and be shown.
    if parts.fragment or "@" in parts.path + parts.query:
        raise ConfigError(f"{shown} has / ? # or @ where they mean something else: {form}")
    return parts, options


def listen_parts(listen: str) -> list[str]:
    """Return the addresses of ``listen``, which has commas between; none where it is empty."""
    return [address.strip() for address in listen.split(",")] if listen else []


def socket_path(address: str) -> str | None:
    """Return the path in ``unix:/path`` or ``unix:///path``; None where ``address`` is no such.

    Raises ValueError for a path that is not absolute, or too long for a socket.
    """
    if not address.startswith(UNIX):
        return None
    path = address.removeprefix(UNIX)
    if path.startswith("///"):
        path = path[2:]
    usable = path.startswith("/") and not path.startswith("//") and not path.endswith("/")
    if not usable or not path.isprintable() or len(path.encode()) > _LONGEST_PATH:
        raise ValueError(f"{address!r} is not {UNIX}/PATH")
    return path


def host_and_port(address: str, *, default_port: int | None = None) -> tuple[str, int]:
    """Split ``"host:port"`` or ``"[::1]:port"`` into its two parts.

    Raises ValueError when there is no host, or no port between 0 and 65535.
    """
    if address.startswith("["):
        host, closed, rest = address[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{address!r} is not HOST:PORT")
        port = rest[1:]
    else:
        host, _, port = address.partition(":")
    if not port and default_port is not None and not address.endswith(":"):
        port = str(default_port)
    if not host or not (port.isascii() and port.isdigit()) or int(port) > LAST_PORT:
        raise ValueError(f"{address!r} is not HOST:PORT")
    return host, int(port)
