"""The module reads what a ``nova+mysql:`` or ``nova+postgresql:`` URL says; pure but for files it names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from musterd.errors import ConfigError
from musterd.stores.mysql.url import Target as MySqlTarget
from musterd.stores.mysql.url import parse_url as parse_mysql
from musterd.stores.postgres.url import Target as PgTarget
from musterd.stores.postgres.url import parse_url as parse_postgres
from musterd.urls import without_secret

NOVA = "nova+"
"""What the scheme of a database begins with where Nova's tables are read in it."""

RPC_RESPONSE_TIMEOUT = 60.0
"""Seconds that a nova-compute waits for the answer to a heartbeat, unless its nova.conf says otherwise."""

Target = MySqlTarget | PgTarget
"""Where a database is."""

_DIALECTS: Mapping[str, Callable[[str], Target]] = {
    "mysql": parse_mysql,
    "mariadb": parse_mysql,
    "postgresql": parse_postgres,
    "postgres": parse_postgres,
}
_GROUPS = ("topic", "binary")
_LOGINS = ("own", "mapping")
_LEAST_WAIT, _LONGEST_WAIT = 1.0, 3600.0
_OWN = ("group", "login", "rpc_response_timeout")
_FORM = "write nova+mysql://user:password@host:3306/nova_api, or nova+postgresql://…"


@dataclass(frozen=True, slots=True)
class NovaUrl:
    """A ``NovaUrl`` is what a URL says. ``url`` is for people, and has no secret.

    ``group`` says which column of ``services`` names a member's group: ``topic``, as in Nova's own
    ServiceGroup, or ``binary``. ``login`` says by whose login the databases of cells are read: by the
    URL's ``own``, or by those of Nova itself, which stand in the ``mapping``.
    ``rpc_response_timeout``, in seconds, is that of nova-compute.
    """

    url: str
    target: Target
    database: str = field(repr=False)  # the URL of the database itself, with its secret
    group: str = "topic"
    login: str = "own"
    rpc_response_timeout: float = RPC_RESPONSE_TIMEOUT


def parse_url(url: str) -> NovaUrl:
    """Return what ``nova+mysql://user:password@host:3306/nova_api?option=value`` says.

    The options of the database's own URLs may stand beside those of :class:`NovaUrl`. Raises
    ConfigError, without the password, for whatever could not be used.
    """
    shown = without_secret(url)
    scheme, _, rest = url.partition("://")
    # As in a nova.conf, which says mysql+pymysql: which driver Nova uses does not matter here.
    dialect = scheme.removeprefix(NOVA).partition("+")[0]
    if dialect not in _DIALECTS or not rest:
        raise ConfigError(f"{shown} names no database of Nova's: {_FORM}")
    where, _, query = rest.partition("?")
    own, others = _parted(query)
    database = f"{dialect}://{where}{'?' if others else ''}{others}"
    target = _DIALECTS[dialect](database)
    try:
        return NovaUrl(
            shown,
            target,
            database,
            group=_choice(own, "group", _GROUPS),
            login=_choice(own, "login", _LOGINS),
            rpc_response_timeout=_seconds(own, "rpc_response_timeout", RPC_RESPONSE_TIMEOUT),
        )
    except ConfigError as error:
        raise ConfigError(f"{shown}: {error}") from None


def target_of(database: str) -> Target:
    """Return where the URL of a database leads. Raises ConfigError as :func:`parse_url` does."""
    return _DIALECTS[database.partition(":")[0]](database)


def _parted(query: str) -> tuple[Mapping[str, str], str]:
    """Return the options that are ours, and the others as they stand."""
    pairs = query.split("&") if query else []
    ours = [pair for pair in pairs if pair.partition("=")[0] in _OWN]
    others = [pair for pair in pairs if pair not in ours]
    return dict(parse_qsl("&".join(ours), keep_blank_values=True)), "&".join(others)


def _choice(options: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    word = options.get(name, words[0])
    if word not in words:
        raise ConfigError(f"{name} {word!r} is not one of {', '.join(words)}")
    return word


def _seconds(options: Mapping[str, str], name: str, default: float) -> float:
    text = options.get(name, str(default))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _LEAST_WAIT <= seconds <= _LONGEST_WAIT:  # false for nan, too
        raise ConfigError(
            f"{name} {text!r} is no number of seconds from {_LEAST_WAIT:g} to {_LONGEST_WAIT:g}"
        )
    return seconds
