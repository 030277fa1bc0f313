"""The module says how a registry keeps tokens: all but their secrets, of which it has hashes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import msgspec

from musterd.model import check_name
from musterd.tokens import Rank, TokenFacts
from musterd_coordinator.registry.quarantine import RowQuarantine

_DIGEST = 32  # bytes
_NONSENSE = (ValueError, TypeError, OverflowError, OSError, msgspec.MsgspecError)
_groups = msgspec.json.Decoder(tuple[str, ...]).decode


class KeptToken(NamedTuple):
    """A `KeptToken` is a token, and the SHA-256 of its secret."""

    facts: TokenFacts
    digest: bytes


class KeptTokens(NamedTuple):
    """These are all tokens by name, and how many ``rows`` there are: some may make no sense."""

    rows: int
    usable: Sequence[KeptToken]


class TokenShelf(Protocol):
    """A `TokenShelf` keeps tokens. Every call has a deadline and raises RegistryError."""

    async def all(self) -> KeptTokens:
        """Return all tokens, revoked ones too."""

    async def add(self, token: KeptToken) -> bool:
        """Keep a new token, durably; False if its name or its id is taken."""

    async def revoke(self, name: str, at: datetime) -> bool:
        """Note durably that a token was revoked, at first ``at`` that time; False: no such token."""


Row = tuple[Any, ...]
"""Name, id, digest, role, groups as JSON, created by, and three instants: created, expires, revoked."""


def row_of(token: KeptToken) -> Row:
    """Return what is written of ``token``."""
    facts = token.facts
    groups = msgspec.json.encode(facts.groups).decode()
    return (
        *(facts.name, facts.id, token.digest, facts.role.value, groups, facts.created_by),
        *(facts.created, facts.expires, facts.revoked),
    )


def tokens_in(rows: Iterable[Row], quarantine: RowQuarantine) -> KeptTokens:
    """Return the tokens of ``rows``, without those that make no sense: nobody comes in by them."""
    count, usable = 0, []
    for row in rows:
        count += 1
        try:
            usable.append(_token(row))
        except _NONSENSE as error:
            quarantine.add(f"token {row[0]!r:.80}", str(error) or type(error).__name__)
    return KeptTokens(count, usable)


def _token(row: Row) -> KeptToken:
    name, made, digest, role, groups, created_by, created, expires, revoked = row
    if len(bytes(digest)) != _DIGEST:
        raise ValueError("its hash is none")
    facts = TokenFacts(
        name=check_name("token", name),
        role=Rank(role),
        id=made,
        created=_instant(created),
        created_by=created_by,
        groups=_groups(groups),
        expires=None if expires is None else _instant(expires),
        revoked=None if revoked is None else _instant(revoked),
    )
    return KeptToken(facts, bytes(digest))


def _instant(value: float | str) -> datetime:
    if isinstance(value, str):
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError(f"{value} names no time zone")
        return at
    return datetime.fromtimestamp(value, UTC)
