"""The module reads Nova's services in PostgreSQL, by a binary COPY of rows that all have one length."""

from collections.abc import Sequence

import anyio
import numpy as np

from musterd.stores.nova.store import Leg
from musterd.stores.postgres.session import Connection, PgSession
from musterd.stores.postgres.url import Target
from musterd_coordinator.sweep.nova.service import Service
from musterd_coordinator.sweep.nova.source import (
    CANARY_SCHEMA,
    RULE_COLUMNS,
    CellRead,
    blind_now,
    check_tables,
    condition,
    other_than,
)
from musterd_coordinator.sweep.nova.table import Numbers, ServiceRows
from musterd_coordinator.sweep.postgres.copy import Copy, layout_of
from musterd_coordinator.sweep.postgres.scan import GULP, PAUSE

_LAYOUT = layout_of(id=">i4", report_count=">i4", digest=">i4", orders=">i4")
_TIMED = layout_of(id=">i4", report_count=">i4", digest=">i4", orders=">i4", seen=">f8")
_ROWS = """
SELECT id, coalesce(report_count, -1),
    hashtext(concat_ws(E'\\x01', host, topic, "binary", disabled_reason)),
    coalesce(disabled, false)::int * 2 + coalesce(forced_down, false)::int{more}
FROM services WHERE {which}
"""
_SEEN = """,
    coalesce(extract(epoch FROM coalesce(last_seen_up, created_at))::float8, 'NaN')"""
_READABLE = """
SELECT bool_and(has_column_privilege('services', name, 'SELECT')) FROM unnest($1::text[]) AS name
"""
_OTHERS = "SELECT coalesce(sum(report_count), 0)::bigint FROM services WHERE {which}"
_SERVICES = """
SELECT id, host, topic, "binary", coalesce(disabled_reason, ''),
    coalesce(disabled, false), coalesce(forced_down, false)
FROM services WHERE id = ANY($1::int[])
"""
_RIGHTS = f"""
SELECT current_database(),
    coalesce(has_any_column_privilege(to_regclass('services'), 'SELECT'), false),
    coalesce(has_table_privilege(to_regclass('{CANARY_SCHEMA}.canary'), 'UPDATE'), false)
"""
_CANARY = f"SELECT record FROM {CANARY_SCHEMA}.canary WHERE name = $1"
_WRITE = f"UPDATE {CANARY_SCHEMA}.canary SET record = $1, seen_at = now() WHERE name = $2"
_WRITE_ANEW = f"""
INSERT INTO {CANARY_SCHEMA}.canary (record, name) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET record = excluded.record, seen_at = now()
"""
_OLD = f"DELETE FROM {CANARY_SCHEMA}.canary WHERE seen_at < now() - interval '1 day'"


class PostgresSource:
    """A `PostgresSource` is a :class:`~musterd_coordinator.sweep.nova.source.NovaSource`."""

    def __init__(self, target: Target, leg: Leg, timeout: float, *, timed: bool = False) -> None:
        self.name = f"{target.name} {leg}"
        self._link = PgSession(target, timeout)
        self._canary_link = PgSession(target, timeout, patient=False)
        self._leg = leg
        self._timed, self.is_blind = timed, False
        self._which = condition(leg, '"binary"')
        self._others = _OTHERS.format(which=condition(other_than(leg), '"binary"'))

    async def check(self) -> None:
        """Raise ShardRefused where a table is missing, or out of reach."""
        async with self._link.transaction() as connection:
            found = await connection.fetchrow(_RIGHTS)
            assert found is not None
            database, services, canary = found
            check_tables(self.name, database, services=bool(services), canary=bool(canary))
            if self._timed:
                blind = not await connection.fetchval(_READABLE, RULE_COLUMNS)
                self.is_blind = blind_now(self.name, blind=blind, before=self.is_blind)

    async def write(self, canary: str, record: bytes) -> bool:
        """Overwrite the record of a canary; return False where there is none."""
        async with self._canary_link.transaction() as connection:
            return str(await connection.execute(_WRITE, record, canary)) != "UPDATE 0"

    async def write_anew(self, canary: str, record: bytes) -> None:
        """Write the record of a canary, and remove those of coordinators that went."""
        async with self._canary_link.transaction() as connection:
            await connection.execute(_WRITE_ANEW, record, canary)
            await connection.execute(_OLD)

    async def renew(self) -> None:
        """Connect anew for the canary."""
        await self._canary_link.renew()

    async def follow(self) -> None:
        """Connect anew for reading."""
        await self._link.renew()

    async def read(self, canary: str) -> CellRead:
        """Return all rows, and the canary's record."""
        async with self._link.transaction() as connection:
            record = await connection.fetchval(_CANARY, canary)
            rows = await self._copy(connection)
            others = 0
            if self._leg is Leg.DIRECT:
                others = await connection.fetchval(self._others)
        return CellRead(rows, bytes(record or b""), others)

    async def services(self, ids: Numbers) -> Sequence[Service]:
        """Return what the rows with these ids say of their services."""
        async with self._link.transaction() as connection:
            rows = await connection.fetch(_SERVICES, ids.tolist())
        return [Service(*row) for row in rows]

    def close(self) -> None:
        """Close both connections."""
        self._link.close()
        self._canary_link.close()

    async def _copy(self, connection: Connection) -> ServiceRows:
        seen = self._timed and not self.is_blind
        layout = _TIMED if seen else _LAYOUT
        copy, parts = Copy(self.name, layout), list[np.ndarray[tuple[int], np.dtype[np.void]]]()

        async def parse(chunk: bytes) -> None:
            parts.append(copy.rows(chunk))
            if len(chunk) < GULP:
                await anyio.sleep(PAUSE)

        statement = _ROWS.format(which=self._which, more=_SEEN if seen else "")
        await connection.copy_from_query(statement, output=parse, format="binary")
        copy.finish()
        every = np.concatenate([np.empty(0, layout.row), *parts])
        id_, count, digest, orders = (
            every[name].astype(np.int64) for name in ServiceRows._fields[:4]
        )
        at = every["seen"].astype(np.float64) if seen else None
        return ServiceRows(id_, count, digest, orders, at)
