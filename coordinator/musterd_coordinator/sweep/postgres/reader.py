"""The module is the coordinator's side of PostgreSQL as a store: seats, all beats, and a canary."""

import anyio

from musterd.beat import Beat, pack
from musterd.model import Member
from musterd.stores.postgres.schema import ensure_schema
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.store import PostgresDriver
from musterd.stores.postgres.url import Target
from musterd.stores.postgres.writer import PostgresWriter, retire
from musterd.stores.rowwriter import signed
from musterd_coordinator.sweep.base import BeatBatch, ShardReader
from musterd_coordinator.sweep.postgres.challenge import RowChallenge
from musterd_coordinator.sweep.postgres.roster import PAGE, PORTION, RosterReader
from musterd_coordinator.sweep.postgres.scan import SNAPSHOT, Scan
from musterd_coordinator.sweep.rows.reader import RowReader
from musterd_coordinator.sweep.rows.relays import MOST_RELAYS, RelayWatch, marks_key
from musterd_coordinator.sweep.signed.signing import Signing

_NEW_CANARY = """
INSERT INTO musterd.beat (member_id, seen_at, slot, namespace_key, record, role_key)
VALUES ($1, now(), $2, $3, $4, hashtext(SESSION_USER))
ON CONFLICT (slot) DO UPDATE SET
    member_id = excluded.member_id, seen_at = excluded.seen_at, record = excluded.record,
    namespace_key = excluded.namespace_key, role_key = excluded.role_key
"""
# An update finds room beside the row, where others may have none: think of a disk that is full of
# the versions that a forgotten transaction keeps. An insert needs room that any writer could use.
_MOVED_CANARY = """
WITH moved AS (DELETE FROM musterd.beat WHERE slot = $1 RETURNING *)
INSERT INTO musterd.beat SELECT * FROM moved
"""
READ_MARKS = """
SELECT slot, record FROM musterd.beat
WHERE slot < 0 AND namespace_key = $1 AND octet_length(record) = 64 ORDER BY slot LIMIT $2
"""
_OLD_CANARIES = "DELETE FROM musterd.beat WHERE slot < 0 AND seen_at < now() - interval '1 day'"


def open_reader(
    driver: PostgresDriver, shard: int, coordinator: str, signing: Signing | None
) -> ShardReader:
    """Return the database's reader; see :func:`musterd_coordinator.sweep.base.open_reader`."""
    del shard
    return PostgresReader(
        driver.target, driver.namespace, coordinator, driver.timeout, signing=signing
    )


class PostgresReader(RowReader):
    """A `PostgresReader` reads the database for one coordinator: see :class:`RowReader`.

    While all beats are read no canary is written, and its connection reads half of a large table.

    A sweep brings the beats that are new since the one before; a lost canary makes the next a full
    one. Of the roster ``page`` rows are read at a time, and some ``portion`` in one call.
    """

    _link: PgSession
    _canary_link: PgSession
    _roster: RosterReader

    def __init__(
        self,
        target: Target,
        namespace: str,
        coordinator: str,
        timeout: float,
        *,
        page: int = PAGE,
        portion: int = PORTION,
        signing: Signing | None = None,
    ) -> None:
        link, canary_link = PgSession(target, timeout), PgSession(target, timeout, patient=False)
        hosts = [PgSession(host, timeout, patient=False) for host in target.each()]
        super().__init__(link, canary_link, namespace, coordinator, signing, hosts)
        self._canary = PostgresWriter(canary_link, namespace)
        self._challenge = RowChallenge(canary_link, namespace)
        self._scan = Scan(link, canary_link, self._key)
        self._relays = RelayWatch(self._seals.is_relays if self._seals else None)
        self._roster = RosterReader(
            link, namespace, self._seats, page=page, portion=portion, signing=signing
        )

    async def _make_tables(self) -> None:
        await ensure_schema(self._link)

    async def _write_anew(self, beat: Beat) -> None:
        row = signed(beat.member_id), self._canary_slot, self._key, pack(beat)
        async with self._canary_link.transaction() as connection:
            await connection.execute(_NEW_CANARY, *row)
            await connection.execute(_OLD_CANARIES)
        self._scan.invalidate()  # where the canary is gone, others may be

    async def renew(self) -> None:
        """Have the canary connect and take its place in the table as a newcomer would."""
        await super().renew()
        async with self._tables(), self._canary_link.transaction() as connection:
            await connection.execute(_MOVED_CANARY, self._canary_slot)

    async def sweep(self) -> BeatBatch:
        """Return the namespace's beats that are new since the last call, and the canary."""
        harvest, scan = self._harvest, self._scan
        async with self._tables(), self._link.transaction(begin=SNAPSHOT) as connection:
            harvest.reset(everything=await scan.start(connection))
            await scan.read(connection, self._seats.count(), self._take)
            marks = await connection.fetch(READ_MARKS, marks_key(self._namespace), MOST_RELAYS)
        if harvest.settled:
            scan.acknowledge()
        read = {slot: record for slot, record in marks}  # noqa: C416 (a Record is no tuple to mypy)
        now = anyio.current_time()
        return self._batch(self._relays.judge(read, self._seats.fingerprint(), now))

    async def _retire(self, member: Member) -> None:
        await retire(self._link, self._namespace, member)
