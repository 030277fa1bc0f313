"""The module makes and upgrades musterd's tables in PostgreSQL 13 or newer, and grants their use.

One versioned schema holds the store and the registry, so that one order makes all of it. Its steps
are the numbered files in ``sql``, each of which notes its number as the schema's version. A step is
never edited once released: a change is one more step, which agents and coordinators of the version
before must survive.
"""

from musterd.errors import ConfigError
from musterd.sqlfiles import folder, steps
from musterd.stores.link import ensure_version
from musterd.stores.postgres.rights import MAY_FILL_DISKS, Roles, quoted
from musterd.stores.postgres.session import Connection, PgSession
from musterd.stores.postgres.url import parse_url

STEPS = steps(folder(__package__, "sql"))
VERSION = len(STEPS)

_NO_ROLE = "SELECT $1::text NOT IN (SELECT rolname FROM pg_roles)"
_OWNER = (
    "SELECT pg_has_role($1::text, nspowner, 'MEMBER') FROM pg_namespace WHERE nspname = 'musterd'"
)


def init_sql(
    agents: str | None = None,
    coordinators: str = "musterd_coordinators",
    *,
    relays: str | None = None,
    agents_each: str | None = None,
) -> str:
    """Return all that :func:`init_db` does in a new database, and the rights of existing roles.

    Agents need neither DDL rights nor a look at the registry. Coordinators without DDL rights
    work until an upgrade, which then has to be made by hand.
    """
    agents = agents or (None if agents_each else "musterd_agents")
    roles = Roles(agents, agents_each, relays, coordinators)
    parts = ["BEGIN;", "CREATE SCHEMA musterd;", *STEPS, f"{roles.sql()}COMMIT;"]
    return "\n".join(parts) + "\n"


async def init_db(
    url: str,
    timeout: float,  # noqa: ASYNC109 (a default for all calls)
    *,
    agents: str | None = None,
    agents_each: str | None = None,
    relays: str | None = None,
    coordinators: str | None = None,
) -> list[str]:
    """Create or upgrade musterd's tables in the database of ``url``; return what is left to do.

    Idempotent. What is left to do is in words. The roles that are named (see :class:`Roles`) are given
    their rights. Raises ConfigError for a bad URL and for roles that do not exist or own the tables,
    StoreError when the database cannot be reached, its role may not do this, or a newer musterd made
    the tables.
    """
    roles = Roles(agents, agents_each, relays, coordinators)
    link = PgSession(parse_url(url), timeout)
    try:
        if roles.named():
            async with link.transaction() as connection:
                await _check_exist(connection, roles)
        await ensure_schema(link)
        async with link.transaction() as connection:
            return await _give(connection, roles)
    finally:
        link.close()


async def _check_exist(connection: Connection, roles: Roles) -> None:
    for role in roles.named():
        if await connection.fetchval(_NO_ROLE, role):
            raise ConfigError(f"the server has no role {role!r}: CREATE ROLE {quoted(role)} first")


async def _give(connection: Connection, roles: Roles) -> list[str]:
    for role in roles.of_agents():
        if await connection.fetchval(_OWNER, role):
            raise ConfigError(
                f"role {role!r} owns musterd's tables, or may do all that their owner may:"
                " give agents another one"
            )
    if sql := roles.sql():
        await connection.execute(sql)
    return [
        f"role {role} may still fill the disk with temporary tables: let the database's owner"
        f" REVOKE TEMPORARY ON DATABASE ... FROM PUBLIC, {quoted(role)}"
        for role in roles.of_agents()
        if await connection.fetchval(MAY_FILL_DISKS, role)
    ]


async def ensure_schema(link: PgSession) -> None:
    """Create or upgrade musterd's tables, where they are not up to date. Raises StoreError."""
    await ensure_version(link.name, VERSION, lambda: _ensure(link))


async def _ensure(link: PgSession) -> int:
    """Upgrade the tables; return the version that was found."""
    async with link.transaction() as connection:
        version = await _version(connection)
        if 0 < version < VERSION:
            await connection.execute("LOCK TABLE musterd.schema_version IN EXCLUSIVE MODE")
            version = await _version(connection)
        if version < VERSION:
            await _upgrade(connection, version)
    return version


# Read from the tables of the catalogue: functions such as to_regclass may answer from a cache that
# is older than the lock.
_HAS_SCHEMA = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'musterd')"
_HAS_VERSION = """
SELECT EXISTS (SELECT FROM pg_tables WHERE (schemaname, tablename) = ('musterd', 'schema_version'))
"""


async def _version(connection: Connection) -> int:
    if not await connection.fetchval(_HAS_VERSION):
        return 0
    version: int = await connection.fetchval("SELECT max(version) FROM musterd.schema_version")
    return version


async def _upgrade(connection: Connection, version: int) -> None:
    """Make the tables, or take the steps that are missing.

    Another session that does so at the same time makes this collide with a name that is taken.
    """
    if not await connection.fetchval(_HAS_SCHEMA):
        await connection.execute("CREATE SCHEMA musterd")
    await connection.execute("".join(STEPS[version:]))
