"""The module reads Nova's services in MariaDB or MySQL, a thousand of them as one value.

See :mod:`musterd_coordinator.sweep.mysql.scan`: nothing there tells which rows changed, so that all are
read, and rows become columns by stride.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from musterd.errors import ShardCorrupt
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import Target
from musterd.stores.nova.store import Leg
from musterd_coordinator.steps import Steps
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
from musterd_coordinator.sweep.turns import in_steps

_BASE = 4_000_000_000  # with it every number of 32 bits, with a sign or not, has ten digits
_DIGITS = 10
_FIELDS = 3
_LATEST = 4_000_000_000  # seconds: what is later, or no time, would not have ten digits
_TEXTS = 8  # each of a thousand rows: parsed in a millisecond or two
_ZERO = np.uint8(ord("0"))
_POWERS = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)
_ROWS = f"""
SELECT COUNT(*), GROUP_CONCAT(id + {_BASE}, IFNULL(report_count, -1) + {_BASE},
    CRC32(CONCAT_WS(CHAR(0), host, topic, `binary`, disabled_reason)) + {_BASE}{{more}},
    IFNULL(disabled, 0) <> 0, IFNULL(forced_down, 0) <> 0 SEPARATOR '')
FROM services WHERE {{which}} GROUP BY id DIV 1000
"""
_SEEN = f""",
    LEAST(GREATEST(IFNULL(TIMESTAMPDIFF(SECOND, '1970-01-01', IFNULL(last_seen_up, created_at)), -1), -1),
        {_LATEST}) + {_BASE}"""
_READABLE = f"""
SELECT COUNT(*) FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'services' AND COLUMN_NAME IN {RULE_COLUMNS}
    AND PRIVILEGES LIKE '%select%'
"""
_OTHERS = "SELECT CAST(IFNULL(SUM(report_count), 0) AS SIGNED) FROM services WHERE {which}"
_SERVICES = """
SELECT id, host, topic, `binary`, IFNULL(disabled_reason, ''),
    IFNULL(disabled, 0) <> 0, IFNULL(forced_down, 0) <> 0
FROM services WHERE id IN ({ids})
"""
_TABLES = f"""
SELECT DATABASE(), SUM(TABLE_NAME = 'services'), SUM(TABLE_SCHEMA = '{CANARY_SCHEMA}')
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'services'
    OR TABLE_SCHEMA = '{CANARY_SCHEMA}' AND TABLE_NAME = 'canary'
"""
_CANARY = f"SELECT record FROM {CANARY_SCHEMA}.canary WHERE name = ?"
_WRITE = f"""
UPDATE {CANARY_SCHEMA}.canary SET record = ?, seen_at = CURRENT_TIMESTAMP WHERE name = ?
"""
_WRITE_ANEW = f"""
INSERT INTO {CANARY_SCHEMA}.canary (record, name) VALUES (?, ?)
ON DUPLICATE KEY UPDATE record = VALUES(record), seen_at = CURRENT_TIMESTAMP
"""
_OLD = f"DELETE FROM {CANARY_SCHEMA}.canary WHERE seen_at < CURRENT_TIMESTAMP - INTERVAL 1 DAY"


class MySqlSource:
    """A `MySqlSource` is a :class:`~musterd_coordinator.sweep.nova.source.NovaSource`."""

    def __init__(self, target: Target, leg: Leg, timeout: float, *, timed: bool = False) -> None:
        self.name = f"{target.name} {leg}"
        self._link = MySqlSession(target, timeout)
        self._canary_link = MySqlSession(target, timeout, patient=False)
        self._leg = leg
        self._timed, self.is_blind = timed, False
        self._which = condition(leg, "`binary`")
        self._others = _OTHERS.format(which=condition(other_than(leg), "`binary`"))

    async def check(self) -> None:
        """Raise ShardRefused where a table is missing, or out of reach."""
        async with self._link.session() as session:
            [(database, services, canary)] = (await session.once(_TABLES)).rows
            check_tables(self.name, database, services=bool(services), canary=bool(canary))
            if self._timed:
                [(readable,)] = (await session.once(_READABLE)).rows
                blind = readable < len(RULE_COLUMNS)
                self.is_blind = blind_now(self.name, blind=blind, before=self.is_blind)

    async def write(self, canary: str, record: bytes) -> bool:
        """Overwrite the record of a canary; return False where there is none."""
        async with self._canary_link.session() as session:
            done = await session.execute(_WRITE, (record, canary.encode()))
            return bool(done.affected_rows)

    async def write_anew(self, canary: str, record: bytes) -> None:
        """Write the record of a canary, and remove those of coordinators that went."""
        async with self._canary_link.session() as session:
            await session.once(_WRITE_ANEW, (record, canary.encode()))
            await session.once(_OLD)

    async def renew(self) -> None:
        """Connect anew for the canary."""
        await self._canary_link.renew()

    async def follow(self) -> None:
        """Connect anew for reading."""
        await self._link.renew()

    async def read(self, canary: str) -> CellRead:
        """Return all rows, and the canary's record."""
        seen = self._timed and not self.is_blind
        statement = _ROWS.format(which=self._which, more=_SEEN if seen else "")
        async with self._link.session() as session:
            record = (await session.execute(_CANARY, (canary.encode(),))).rows
            joined = (await session.execute(statement)).rows
            others = 0
            if self._leg is Leg.DIRECT:
                [(others,)] = (await session.execute(self._others)).rows
        rows = await in_steps(rows_in(joined, seen=seen))
        return CellRead(rows, bytes(record[0][0]) if record else b"", int(others))

    async def services(self, ids: Numbers) -> Sequence[Service]:
        """Return what the rows with these ids say of their services."""
        if not len(ids):
            return []
        statement = _SERVICES.format(ids=", ".join(map(str, ids.tolist())))
        async with self._link.session() as session:
            rows = (await session.once(statement)).rows
        return [
            Service(
                *(number, _text(host), _text(topic), _text(binary), _text(reason)),
                *(bool(disabled), bool(forced_down)),
            )
            for number, host, topic, binary, reason, disabled, forced_down in rows
        ]

    def close(self) -> None:
        """Close both connections."""
        self._link.close()
        self._canary_link.close()


def rows_in(joined: Sequence[Any], *, seen: bool = False) -> Steps[ServiceRows]:
    """Return the rows that were joined to texts, each with how many there are in it, in steps.

    They have :attr:`ServiceRows.seen` if ``seen``. Raises ShardCorrupt for other texts.
    """
    fields = _FIELDS + seen
    numbers, orders = [np.empty((0, fields), np.int64)], [np.empty(0, np.int64)]
    for begin in range(0, len(joined), _TEXTS):
        some, ordered = _parsed(joined[begin : begin + _TEXTS], fields)
        numbers.append(some)
        orders.append(ordered)
        yield
    columns = np.ascontiguousarray(np.concatenate(numbers).T)
    at = np.where(columns[-1] < 0, np.nan, columns[-1]) if seen else None
    return ServiceRows(columns[0], columns[1], columns[2], np.concatenate(orders), at)


def _parsed(joined: Sequence[Any], fields: int) -> tuple[Numbers, Numbers]:
    """Return the numbers (n, fields) of n rows, and what is ordered of each (n)."""
    row = np.dtype([("numbers", "u1", (fields, _DIGITS)), ("orders", "u1", (2,))])
    count, data = (
        sum(int(count) for count, _ in joined),
        b"".join(_bytes(text) for _, text in joined),
    )
    if len(data) != count * row.itemsize:
        raise ShardCorrupt("services", f"{len(data)} bytes are not {count} rows")
    rows = np.frombuffer(data, row)
    digits = rows["numbers"] - _ZERO  # what is no digit is more than 9 then
    orders = rows["orders"] - _ZERO
    if (digits > 9).any() or (orders > 1).any():  # noqa: PLR2004
        raise ShardCorrupt("services", "a number has other letters than digits")
    ordered = orders.astype(np.int64)
    return digits.astype(np.int64) @ _POWERS - _BASE, 2 * ordered[:, 0] + ordered[:, 1]


def _bytes(text: object) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)  # type: ignore[call-overload]


def _text(text: object) -> str:
    return text if isinstance(text, str) else bytes(text).decode()  # type: ignore[call-overload]
