"""The module makes and upgrades musterd's tables in MariaDB or MySQL, and grants their use.

Its steps are the numbered files in ``sql``, each of which notes its number as the schema's version at
its end. An order that changes tables cannot be taken back there, so each statement of a step may be run
again. A step is never edited once released.
"""

from collections.abc import Iterator
from typing import NamedTuple

from musterd.errors import ConfigError, ShardRefused
from musterd.sqlfiles import folder, steps
from musterd.stores.link import Collision, ensure_version
from musterd.stores.mysql.quoting import account_of, quoted
from musterd.stores.mysql.session import MySqlSession, Session
from musterd.stores.mysql.url import parse_url

STEPS = steps(folder(__package__, "sql"))
VERSION = len(STEPS)

_OF_AGENTS = ("musterd_announce", "musterd_beat", "musterd_beat_look", "musterd_retire")
_CHANGED = "SELECT, INSERT, UPDATE, DELETE"
_TABLES = {
    **dict.fromkeys(("musterd_member", "musterd_beat", "musterd_challenge"), _CHANGED),
    **dict.fromkeys(("musterd_registry", "musterd_history", "musterd_coordinator"), _CHANGED),
    **dict.fromkeys(("musterd_count", "musterd_token"), "SELECT, INSERT, UPDATE"),
    "musterd_turn": "SELECT, UPDATE",
}
"""What coordinators may do with each."""
_OF_RELAYS = {
    **dict.fromkeys(("musterd_member", "musterd_beat"), "SELECT, INSERT, UPDATE"),
    "musterd_turn": "SELECT, UPDATE",
    "musterd_challenge": "SELECT",
}
_HAS_VERSION = """
SELECT COUNT(*) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'musterd_schema'
"""
FIT = "CALL musterd_fit()"
"""Has beats where the server needs them: see ``sql/005_beats_in_memory.sql``."""

# One program at a time makes the tables. MySQL takes 64 letters, and has no MD5 any more.
_TURN = "CONCAT('musterd/', LEFT(SHA2(DATABASE(), 256), 32))"


def init_sql(
    agents: str | None = None,
    coordinators: str = "musterd_coordinators",
    database: str = "musterd",
    *,
    relays: str | None = None,
) -> str:
    """Return all that :func:`init_db` does in a new ``database``, for the server's own client."""
    accounts = Accounts(agents or "musterd_agents", relays, coordinators)
    given = [f"{one};" for one in accounts.grants(database)]
    return "\n".join([f"USE {quoted(database)};", *STEPS, "DELIMITER ;", *given]) + "\n"


class Accounts(NamedTuple):
    """These are existing accounts that are given their rights; None: leave that alone."""

    agents: str | None = None
    relays: str | None = None
    coordinators: str | None = None

    def grants(self, database: str) -> Iterator[str]:
        """Yield the statements that give them their rights."""
        where = quoted(database)
        for caller in filter(None, (self.agents, self.coordinators)):
            for name in _OF_AGENTS:
                yield f"GRANT EXECUTE ON PROCEDURE {where}.{name} TO {account_of(caller)}"
        for account, tables in (self.relays, _OF_RELAYS), (self.coordinators, _TABLES):
            if account:
                yield f"GRANT SELECT ON {where}.musterd_schema TO {account_of(account)}"
                for table, rights in tables.items():
                    yield f"GRANT {rights} ON {where}.{table} TO {account_of(account)}"
        if self.coordinators:
            fit = f"{where}.musterd_fit TO {account_of(self.coordinators)}"
            yield f"GRANT EXECUTE ON PROCEDURE {fit}"


async def init_db(
    url: str,
    timeout: float,  # noqa: ASYNC109 (a default for all calls)
    *,
    agents: str | None = None,
    relays: str | None = None,
    coordinators: str | None = None,
) -> list[str]:
    """Create or upgrade musterd's tables in the database of ``url``; return what is left to do.

    Idempotent. Raises ConfigError for a bad URL and for accounts that cannot be given their rights,
    StoreError when the database cannot be reached, its user may not do this, or a newer musterd made
    the tables.
    """
    target = parse_url(url)
    link = MySqlSession(target, timeout)
    try:
        await ensure_schema(link)
        async with link.session() as session:
            await session.order(FIT)
        for statement in Accounts(agents, relays, coordinators).grants(target.database):
            try:
                async with link.session() as session:
                    await session.order(statement)
            except ShardRefused as error:
                raise ConfigError(
                    f"{error}: CREATE USER first, and give it its rights as a user that may"
                ) from None
    finally:
        link.close()
    return []


async def ensure_schema(link: MySqlSession) -> None:
    """Create or upgrade musterd's tables, where they are not up to date. Raises StoreError."""
    await ensure_version(link.name, VERSION, lambda: _ensure(link))


async def _ensure(link: MySqlSession) -> int:
    """Upgrade the tables; return the version that was found."""
    async with link.session() as session:
        version = await _version(session)
        if version >= VERSION:
            return version
        wait = max(1, int(link.timeout / 2))
        [(turn,)] = (await session.once(f"SELECT GET_LOCK({_TURN}, {wait})")).rows
        if turn != 1:
            raise Collision(link.name, "another program makes the tables")
        for step in STEPS[await _version(session) :]:
            for statement in statements(step):
                await session.order(statement)
        await session.once(f"SELECT RELEASE_LOCK({_TURN})")
    link.drop()  # it has the modes in which procedures are made
    return version


async def _version(session: Session) -> int:
    [(there,)] = (await session.once(_HAS_VERSION)).rows
    if not there:
        return 0
    [(version,)] = (await session.once("SELECT COALESCE(MAX(version), 0) FROM musterd_schema")).rows
    return int(version)


def statements(step: str) -> Iterator[str]:
    """Yield the statements of a file that begins with ``DELIMITER //``, without their comments."""
    lines = (line for line in step.splitlines() if not line.lstrip().startswith("--"))
    text = "\n".join(line for line in lines if not line.startswith("DELIMITER"))
    return filter(None, map(str.strip, text.split("//")))
