"""The module puts whole fleets into musterd's tables of a MariaDB."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from benchmarks.bulk import TIMEOUT, portions
from benchmarks.figures import progress
from benchmarks.fleet import NAMESPACE, Fleet, Order, Send
from musterd.beat import SIZE
from musterd.stores.mysql.session import LOGIN, MySqlSession
from musterd.stores.mysql.url import parse_url
from musterd.stores.rowwriter import namespace_key

# The server gives no numbers of its own to rows that bring one, 0 included.
_OWN_SLOTS = "SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',NO_AUTO_VALUE_ON_ZERO')"
_MEMBERS = """
INSERT INTO musterd_member (
    slot, member_id, namespace, `group`, name, zone, owner, metadata, mac, login, version) VALUES
"""
_BEATS = "INSERT INTO musterd_beat (slot, member_id, namespace_key, login_key, record) VALUES "
# As relays write: sorted by slot, all records in one statement.
_REWRITE = """
UPDATE (WITH given (slot, record) AS (VALUES {rows}) SELECT * FROM given) n
STRAIGHT_JOIN musterd_beat b ON b.slot = n.slot
SET b.record = n.record, b.seen_at = CURRENT_TIMESTAMP(3)
"""
_CHALLENGE = "SELECT value FROM musterd_challenge WHERE namespace = ?"
_LEARN = "ANALYZE TABLE musterd_member, musterd_beat"


class MariaFill:
    """A `MariaFill` writes into musterd's tables, which exist and are empty."""

    def __init__(self, url: str, fleet: Fleet) -> None:
        self._link = MySqlSession(parse_url(url), TIMEOUT)
        self._fleet = fleet

    async def fill(self) -> None:
        """Announce all members and write their first beats."""
        key = namespace_key(NAMESPACE)
        for at in progress(list(portions(len(self._fleet))), "announcing", "portion"):
            rows = list(self._rows(np.arange(at.start, at.stop)))
            beats = (f"({slot},{who},{key},CRC32(USER()),x'{each}')" for slot, who, each in rows)
            async with self._link.session() as session:
                await session.order(_OWN_SLOTS)
                await session.order(_MEMBERS + ",".join(self._members(at)))
                await session.order(_BEATS + ",".join(beats))
        async with self._link.session() as session:
            await session.once(_LEARN)

    async def prepare(self, rows: Order) -> Send:
        """Make the newest beats of these rows ready to be written; they are sorted, as by a relay."""
        chosen = [np.sort(rows[at]) for at in portions(len(rows))]
        return partial(self._write, [_rewriting(self._rows(one)) for one in chosen])

    async def aclose(self) -> None:
        """Close the connection."""
        self._link.close()

    async def challenge(self) -> bytes:
        """Return the challenge; empty where there is none."""
        async with self._link.session() as session:
            rows = (await session.execute(_CHALLENGE, (NAMESPACE.encode(),))).rows
        return bytes(rows[0][0]) if rows else b""

    async def _write(self, statements: Sequence[str]) -> None:
        for statement in statements:
            async with self._link.session() as session:
                await session.order(statement)

    def _members(self, at: slice) -> Iterator[str]:
        members, macs = self._fleet.members(at), self._fleet.macs(at)
        rows = zip(self._rows(np.arange(at.start, at.stop)), members, macs, strict=True)
        for (slot, its_id, _), one, mac in rows:
            names = ",".join(f"'{text}'" for text in (NAMESPACE, one.group, one.name, one.zone, ""))
            signed = "NULL" if mac is None else f"x'{mac.hex()}'"
            yield f"({slot},{its_id},{names},'{{}}',{signed},{LOGIN},UUID_SHORT())"

    def _rows(self, slots: Order) -> Iterator[tuple[int, int, str]]:
        """Yield slots, ids of members as bigints, and records in hexadecimal."""
        records = self._fleet.records[slots]
        text = records.tobytes().hex()
        ids = records["member_id"].view(np.int64).tolist()
        for place, (slot, its_id) in enumerate(zip(slots.tolist(), ids, strict=True)):
            yield slot, its_id, text[2 * SIZE * place : 2 * SIZE * (place + 1)]


def _rewriting(rows: Iterable[tuple[int, int, str]]) -> str:
    """Return the statement that writes the records of these ``rows``."""
    return _REWRITE.replace("{rows}", ",".join(f"({slot},x'{text}')" for slot, _, text in rows))
