"""The module keeps tokens in a MariaDB registry, where all its coordinators find them."""

from datetime import datetime
from typing import Any

from asyncmy.errors import IntegrityError

from musterd.stores.mysql.errors import TAKEN, number_of
from musterd.stores.mysql.session import MySqlSession, Session
from musterd_coordinator.registry import mysql_sql as sql
from musterd_coordinator.registry.mysql_transactions import rows_of, within
from musterd_coordinator.registry.mysql_values import as_bytes, as_instant
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.rows import as_text
from musterd_coordinator.registry.tokens import KeptToken, KeptTokens, Row, row_of, tokens_in


class MySqlTokens:
    """A `MySqlTokens` is a :class:`musterd_coordinator.registry.tokens.TokenShelf`."""

    def __init__(self, link: MySqlSession, namespace: str, quarantine: RowQuarantine) -> None:
        self._link = link
        self._namespace = as_bytes(namespace)
        self._quarantine = quarantine

    async def all(self) -> KeptTokens:
        """Return all tokens, revoked ones too."""
        rows = await rows_of(self._link, sql.TOKENS, (self._namespace,))
        return tokens_in(map(_row, rows), self._quarantine)

    async def add(self, token: KeptToken) -> bool:
        """Keep a new token; False if its name or its id is taken."""
        row = (as_instant(each) if isinstance(each, datetime) else each for each in row_of(token))
        values = self._namespace, *row

        async def admit(session: Session) -> bool:
            try:
                await session.execute(sql.ADMIT, values)
            except IntegrityError as error:
                if number_of(error) != TAKEN:
                    raise
                return False
            return True

        return await within(self._link, admit)

    async def revoke(self, name: str, at: datetime) -> bool:
        """Note that a token was revoked; False: there is no such token."""
        values = as_instant(at), self._namespace, as_bytes(name)

        async def note(session: Session) -> bool:
            return bool((await session.execute(sql.REVOKE, values)).affected_rows)

        return await within(self._link, note)


def _row(row: Any) -> Row:
    name, its_id, digest, *rest = row
    return as_text(name), as_text(its_id), digest, *map(as_text, rest)
