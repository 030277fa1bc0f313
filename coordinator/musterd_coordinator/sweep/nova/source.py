"""The module says what the databases of Nova must give to their reader, and what is missing there."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import structlog

from musterd.errors import ShardRefused
from musterd.stores.nova.store import Leg
from musterd_coordinator.sweep.nova.service import Service
from musterd_coordinator.sweep.nova.table import Numbers, ServiceRows

log = structlog.get_logger(__name__)

COMPUTE = "nova-compute"
"""The one binary of Nova's that reports by RPC; the others write to the database themselves."""

CANARY_SCHEMA = "musterd_watch"


RULE_COLUMNS = ("last_seen_up", "created_at")
"""What Nova's own driver ``db`` looks at; read for traces alone."""


class CellRead(NamedTuple):
    """A `CellRead` is what one look brought: the ``rows`` of a leg, and the record of the canary.

    ``others`` is the sum of what the services of other legs count. It is empty where there is no canary.
    """

    rows: ServiceRows
    canary: bytes
    others: int


class NovaSource(Protocol):
    """A `NovaSource` reads one leg of one cell's database, and keeps a canary beside it.

    Every call bounds its own network waits, and raises only StoreError.
    """

    name: str
    is_blind: bool
    """Whether it should read when services were last seen up, and may not."""

    async def check(self) -> None:
        """See what it may read and write.

        Raises ShardRefused, which says what to do, where it may not what it must.
        """

    async def write(self, canary: str, record: bytes) -> bool:
        """Overwrite the record of a canary; return False where there is none."""

    async def write_anew(self, canary: str, record: bytes) -> None:
        """Write the record of a canary where there is none."""

    async def renew(self) -> None:
        """Connect anew for the canary, as a newcomer would."""

    async def follow(self) -> None:
        """Connect anew for reading."""

    async def read(self, canary: str) -> CellRead:
        """Return all rows, and the canary's record, as they are now."""

    async def services(self, ids: Numbers) -> Sequence[Service]:
        """Return what the rows with these ids say of their services, as far as they are there."""

    def close(self) -> None:
        """Close the connections without waiting for the network."""


def condition(leg: Leg, column: str) -> str:
    """Return which rows are of a leg; ``column`` is the binary's.

    Rows without a host or a topic are of API servers, which never report.
    """
    binary = f"{column} {'=' if leg is Leg.RPC else '<>'} '{COMPUTE}'"
    return f"deleted = 0 AND {binary} AND host IS NOT NULL AND topic IS NOT NULL"


def other_than(leg: Leg) -> Leg:
    """Return the other leg."""
    return Leg.DIRECT if leg is Leg.RPC else Leg.RPC


def missing_services(database: str) -> str:
    """Say that there is no table to read."""
    return (
        f"database {database} has no table services that this login may read: name the database of a"
        f" cell, or Nova's API database, and GRANT SELECT ON services"
    )


def check_tables(name: str, database: str, *, services: bool, canary: bool) -> None:
    """Raise ShardRefused for the leg ``name`` where its login has no use of one of the two tables."""
    if not services:
        raise ShardRefused(name, missing_services(database))
    if not canary:
        raise ShardRefused(name, _missing_canary())


def blind_now(name: str, *, blind: bool, before: bool) -> bool:
    """Return ``blind``; say in the log, once, what rights are missing for the leg ``name``."""
    if blind and not before:
        log.warning(
            "Nova's own rule is not recorded",
            shard=name,
            cure=f"GRANT SELECT ({', '.join(RULE_COLUMNS)}) ON services, as musterd init-db --print says",
        )
    return blind


def _missing_canary() -> str:
    """Say that there is no table for the canary."""
    return (
        f"there is no table {CANARY_SCHEMA}.canary that this login may write: run what"
        " 'musterd init-db --print --store' prints for this store, on this server"
    )
