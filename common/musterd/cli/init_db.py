"""``musterd init-db``."""

from collections.abc import Sequence
from functools import partial

from musterd.cli.arguments import Parser, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import ConfigError
from musterd.options import Role
from musterd.settings import Settings
from musterd.urls import without_secret

TIMEOUT = 30.0  # seconds; an upgrade may have to wait for a lock


def parser(name: str) -> Parser:
    """The command line of ``musterd init-db``."""
    example = "musterd init-db --store postgresql://musterd@db1/fleet\n"
    example += "  musterd init-db --print --agents nova_agents | psql fleet"
    made = new_parser(name, example, Role.COORDINATOR)
    made.add_argument(
        "--print", action="store_true", help="Print the SQL, with all grants, and connect nowhere."
    )
    made.add_argument(
        "--agents",
        default="musterd_agents",
        metavar="ROLE",
        help="The role of the agents in the printed grants. Default: musterd_agents.",
    )
    made.add_argument(
        "--coordinators",
        default="musterd_coordinators",
        metavar="ROLE",
        help="The role of the coordinators there. Default: musterd_coordinators.",
    )
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Create or upgrade the tables, or print how; 0."""
    args = parser(name).parse(argv)
    from musterd.stores import postgres_schema  # brings asyncpg

    if args.print:
        print(postgres_schema.init_sql(args.agents, args.coordinators), end="")
        return 0
    url = database_of(settings_of(args).settings)
    import anyio

    anyio.run(partial(postgres_schema.init_db, url, TIMEOUT))
    print(f"the tables in {without_secret(url)} are ready")
    return 0


def database_of(settings: Settings) -> str:
    """The PostgreSQL URL that the store or the registry names; else ConfigError."""
    for url in (settings.store, settings.registry_url):
        if url.startswith(("postgresql:", "postgres:")):
            return url
    raise ConfigError(
        f"store {without_secret(settings.store)} needs no tables; name a database with --store"
        " postgresql://user@host/database"
    )
