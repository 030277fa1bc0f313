"""The module keeps tokens in a PostgreSQL registry, where all its coordinators find them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any

from musterd.stores.postgres.session import Connection
from musterd_coordinator.registry import postgres_sql as sql
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.tokens import KeptToken, KeptTokens, row_of, tokens_in

Transaction = Callable[[], AbstractAsyncContextManager[Connection]]


class PostgresTokens:
    """A `PostgresTokens` is a :class:`musterd_coordinator.registry.tokens.TokenShelf`."""

    def __init__(self, transaction: Transaction, namespace: str, quarantine: RowQuarantine) -> None:
        self._transaction = transaction
        self._namespace = namespace
        self._quarantine = quarantine

    async def all(self) -> KeptTokens:
        """Return all tokens, revoked ones too."""
        async with self._transaction() as connection:
            rows = await connection.fetch(sql.TOKENS, self._namespace)
        return tokens_in(map(tuple, rows), self._quarantine)

    async def add(self, token: KeptToken) -> bool:
        """Keep a new token; False if its name or its id is taken."""
        return await self._hits(sql.ADMIT, self._namespace, *row_of(token))

    async def revoke(self, name: str, at: datetime) -> bool:
        """Note that a token was revoked; False: there is no such token."""
        return await self._hits(sql.REVOKE, self._namespace, name, at)

    async def _hits(self, statement: str, *given: Any) -> bool:
        async with self._transaction() as connection:
            await connection.execute(sql.DURABLE)
            status = await connection.execute(statement, *given)
        return not status.endswith(" 0")
