"""``musterd init-db`` creates musterd's tables in PostgreSQL or MariaDB, or prints the SQL."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from musterd.cli.arguments import Parser, add_env_file, add_options, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import ConfigError, ShardRefused
from musterd.settings.options import DATABASES
from musterd.settings.settings import Settings
from musterd.stores.nova.url import NOVA
from musterd.urls import without_secret

_ROLES = {
    "agents": "A login role that hosts share: it may call musterd's functions for agents, and touch"
    " no table. With --print: musterd_agents, unless --agents-each is given.",
    "agents-each": "The same for a role whose members are login roles, one for each host; a member"
    " then belongs to the host that announced it first.",
    "relays": "A role for relays, which write for all hosts.",
    "coordinators": "A role for coordinators that do not own the tables. With --print:"
    " musterd_coordinators.",
}

_AUTHORITY = "/etc/musterd/ca.crt"
MYSQL = ("mysql:", "mariadb:")
TIMEOUT = 30.0  # seconds; an upgrade may have to wait for a lock


def parser(name: str) -> Parser:
    """Return the command line of ``musterd init-db``."""
    example = "musterd init-db --store postgresql://musterd@db1/fleet --agents musterd_agents\n"
    example += "  musterd init-db --print --agents nova_agents | psql fleet"
    made = new_parser(name, example)
    add_options(made, "registry")
    add_env_file(made)
    made.add_argument(
        "--print", action="store_true", help="Print the SQL, with all grants, and connect nowhere."
    )
    for option, help_text in _ROLES.items():
        made.add_argument(f"--{option}", metavar="ROLE", help=help_text)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Create or upgrade the tables, or print how; return 0."""
    args = parser(name).parse(argv)
    roles = {option: getattr(args, option.replace("-", "_")) for option in _ROLES}
    given = {option.replace("-", "_"): role for option, role in roles.items() if role}
    if args.print:
        print(_sql(args.store or "", given), end="")
        return 0
    settings = settings_of(args).settings
    url = database_of(settings)
    import anyio

    try:
        remarks = anyio.run(partial(_schema_of(url, given).init_db, url, TIMEOUT, **given))
    except ShardRefused as error:  # such as a role that does not exist: trying again is no help
        raise ConfigError(str(error)) from None
    for remark in remarks:
        print(remark)
    print(f"the tables in {without_secret(url)} are ready")
    if url.startswith((NOVA, *MYSQL)):
        return 0
    for line in urls_to_use(url, given, settings.ca_file or _AUTHORITY):
        print(line)
    return 0


def _sql(url: str, given: Mapping[str, str]) -> str:
    schema = _schema_of(url, given)
    if url.startswith(NOVA):
        return str(schema.init_sql(url, **given))
    if not url.startswith(MYSQL):
        return str(schema.init_sql(**given))
    from musterd.stores.mysql.url import parse_url

    return str(schema.init_sql(**given, database=parse_url(url).database))


def _schema_of(url: str, given: Mapping[str, str]) -> Any:
    """Return the module that makes the tables in the database of ``url``; it brings the driver."""
    if url.startswith(NOVA):
        for role in given.keys() - {"coordinators"}:
            raise ConfigError(
                f"--{role.replace('_', '-')} is for stores that take beats: whoever watches Nova is"
                " --coordinators"
            )
        return import_module("musterd_coordinator.sweep.nova.schema")
    if not url.startswith(MYSQL):
        return import_module("musterd.stores.postgres.schema")
    if "agents_each" in given:
        raise ConfigError("--agents-each is for PostgreSQL: MariaDB has no such rights")
    from musterd.stores.mysql.store import check_driver

    check_driver()
    return import_module("musterd.stores.mysql.schema")


def urls_to_use(url: str, roles: Mapping[str, str], authority: str) -> Iterator[str]:
    """Yield what those with ``roles`` name as their store; nothing where the database is on this host.

    By each of them the server's certificate is checked, and the name in it. ``authority`` is the file
    of the authority that signed it.
    """
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    if not hosts or all(is_of_this_host(host) for host in hosts.split(",")):
        return
    options = {"sslmode": "verify-full", "sslrootcert": authority, **dict(parse_qsl(parts.query))}
    for use, role in {"owner": unquote(parts.username or ""), **roles}.items():
        if role:
            login = parts._replace(
                netloc=f"{quote(role)}@{hosts}", query=urlencode(options, safe="/")
            )
            yield f"{use.replace('_', ' ')}: {without_secret(login.geturl())}"


def is_of_this_host(host: str) -> bool:
    """Say whether ``host``, perhaps with a port, is an address or a name for this host only."""
    bare = host.rpartition(":")[0].strip("[]") if ":" in host.strip("[]") else host
    return bare in ("localhost", "::1", "[::1]") or bare.startswith("127.")


def database_of(settings: Settings) -> str:
    """Return the database that the store or the registry names; else raise ConfigError."""
    for url in (settings.store, settings.registry_url):
        if url.startswith((NOVA, *DATABASES)):
            return url
    raise ConfigError(
        f"store {without_secret(settings.store)} needs no tables; name a database with --store"
        " postgresql://user@host/database"
    )
