"""The module keeps tokens in a SQLite registry's file."""

import sqlite3
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Protocol, TypeVar

from musterd_coordinator.registry import sqlite_sql as sql
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.registry.sqlite_values import as_value
from musterd_coordinator.registry.tokens import KeptToken, KeptTokens, row_of, tokens_in

T = TypeVar("T")


class Within(Protocol):
    """A `Within` does ``work`` with the open file, in a transaction."""

    def __call__(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]: ...


class SqliteTokens:
    """A `SqliteTokens` is a :class:`musterd_coordinator.registry.tokens.TokenShelf`."""

    def __init__(self, within: Within, namespace: str, quarantine: RowQuarantine) -> None:
        self._within = within
        self._namespace = namespace
        self._quarantine = quarantine

    async def all(self) -> KeptTokens:
        """Return all tokens, revoked ones too."""
        given = (self._namespace,)
        rows = await self._within(lambda file: file.execute(sql.TOKENS, given).fetchall())
        return tokens_in(rows, self._quarantine)

    async def add(self, token: KeptToken) -> bool:
        """Keep a new token; False if its name or its id is taken."""
        row = list(map(as_value, row_of(token)))
        return await self._hits(sql.ADMIT, [self._namespace, *row])

    async def revoke(self, name: str, at: datetime) -> bool:
        """Note that a token was revoked; False: there is no such token."""
        return await self._hits(sql.REVOKE, [as_value(at), self._namespace, name])

    async def _hits(self, statement: str, given: list[Any]) -> bool:
        return bool(await self._within(lambda file: file.execute(statement, given).rowcount))
