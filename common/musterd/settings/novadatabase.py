"""The module reads the URL of Nova's database as SQLAlchemy does, and says which store that is.

The store is in the same database, in tables of musterd's own: nothing of Nova's is read or written.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from musterd.urls import without_secret

# SQLAlchemy's own reading: a password ends at the first @, and may have anything else in it as it is.
_URL = re.compile(
    r"(?P<dialect>\w+)(?:\+\w+)?://"
    r"(?:(?P<user>[^:/@]*)(?P<password>:[^@]*)?@)?"
    r"(?P<where>[^?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_DEFAULTS = "read_default_"
_FILE = f"{_DEFAULTS}file"


class FoundStore(NamedTuple):
    """A ``FoundStore`` is the URL of one, and what of Nova's URL is not in it, as warnings."""

    url: str
    warnings: Sequence[str]


def store_in(connection: str) -> FoundStore | None:
    """Return the store in Nova's database; None for a database that musterd does not know.

    Raises ConfigError, without the password, for a URL that cannot be used.
    """
    found = _URL.fullmatch(connection)
    kind = _KINDS.get(found["dialect"]) if found else None
    return kind(found) if kind and found else None


def _postgres(found: re.Match[str]) -> FoundStore:
    from musterd.stores.postgres.url import OPTIONS, parse_url  # brings asyncpg

    options = _options(found)
    kept = {name: value for name, value in options.items() if name in OPTIONS}
    return _checked(_url("postgresql", found, kept), parse_url, _left_out(options, kept))


def _mysql(found: re.Match[str]) -> FoundStore:
    from musterd.stores.mysql.url import OPTIONS, is_charset, parse_url

    options = _options(found)
    missing = bool(found["password"]) and _is_missing(options.get(_FILE, ""))

    def keeps(name: str, value: str) -> bool:
        if name == "charset":
            return is_charset(value)
        # Nova's driver takes nothing from a file that is not there, and says nothing.
        if missing and name.startswith(_DEFAULTS):
            return False
        # Without a word on TLS that musterd does not know, less might be checked.
        return name in OPTIONS or (name.startswith("ssl") and name != "ssl_cipher")

    kept = {name: value for name, value in options.items() if keeps(name, value)}
    return _checked(_url("mysql", found, kept), parse_url, _left_out(options, kept))


_KINDS: Mapping[str, Callable[[re.Match[str]], FoundStore]] = {
    "postgresql": _postgres,
    "postgres": _postgres,
    "mysql": _mysql,
    "mariadb": _mysql,
}


def _is_missing(file: str) -> bool:
    try:
        os.stat(file)  # noqa: PTH116  (says why not, as no method that asks does)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _options(found: re.Match[str]) -> dict[str, str]:
    return dict(parse_qsl(found["query"] or "", keep_blank_values=True))


def _url(scheme: str, found: re.Match[str], options: Mapping[str, str]) -> str:
    """Return the URL with these options, and with %XX in its login for all that needs it."""
    user, password = found["user"], found["password"]
    login = "" if user is None else _quoted(user)
    if password:
        login += ":" + _quoted(password[1:])
    at = "" if user is None else "@"
    query = urlencode(options, safe="/,", quote_via=quote)
    return f"{scheme}://{login}{at}{found['where']}{'?' if query else ''}{query}"


def _quoted(text: str) -> str:
    return quote(unquote(text), safe="")


def _checked(url: str, parse: Callable[[str], object], left_out: Iterator[str]) -> FoundStore:
    parse(url)
    return FoundStore(url, [*_one_cell(url), *left_out])


def _one_cell(url: str) -> Iterator[str]:
    name = urlsplit(url).path.removeprefix("/")
    if name.endswith("_cell0"):
        yield (
            f"is {name}, which the files of other cells do not name; coordinators and agents need the"
            " same store, so give all of them one in MUSTERD_STORE"
        )


def _left_out(options: Mapping[str, str], kept: Mapping[str, str]) -> Iterator[str]:
    left = [name for name in options if name not in kept]
    if _FILE in left:
        left = [name for name in left if not name.startswith(_DEFAULTS)]
        yield f"names {options[_FILE]!r} in {_FILE}, which is not there"
    if left:
        yield f"has options that musterd does without: {', '.join(left)}"


def refusal(connection: str) -> str:
    """Say, without the password, that this is the URL of no database for musterd."""
    return f"is {without_secret(connection)!r}, and musterd needs PostgreSQL, MariaDB or memcached"
