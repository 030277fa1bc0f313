"""Tokens in memory, and an access over them with clocks that a test moves."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import pytest

from musterd.errors import RegistryError
from musterd.orders import Origin
from musterd.tokens import NewToken, Rank, TokenOrder
from musterd_coordinator.registry.tokens import KeptToken, KeptTokens
from musterd_coordinator.service.access import Access, NoGrant

OPS = Origin("root", "10.0.0.7", "r-1")


class Shelf:
    """Tokens in memory, of which some rows may be damaged."""

    def __init__(self) -> None:
        self.kept: dict[str, KeptToken] = {}
        self.damaged = 0
        self.away = False
        self.reads = 0

    async def all(self) -> KeptTokens:
        self.reads += 1
        self._must_be_there()
        usable: Sequence[KeptToken] = list(self.kept.values())
        return KeptTokens(len(usable) + self.damaged, usable)

    async def add(self, token: KeptToken) -> bool:
        self._must_be_there()
        return self.kept.setdefault(token.facts.name, token) is token

    async def revoke(self, name: str, at: datetime) -> bool:
        if name not in self.kept:
            return False
        facts, digest = self.kept[name]
        revoked = msgspec.structs.replace(facts, revoked=facts.revoked or at)
        self.kept[name] = KeptToken(revoked, digest)
        return True

    def _must_be_there(self) -> None:
        if self.away:
            raise RegistryError("the registry is lost")


class Door:
    """An access over such a shelf, and its clocks."""

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = shelf or Shelf()
        self.wall, self.monotonic = 1_700_000_000.0, 50.0
        self.access = Access(self.shelf, lambda: self.wall, lambda: self.monotonic)

    def go_on(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    async def make(self, name: str, rank: Rank = Rank.READER, *groups: str) -> NewToken:
        return await self.access.create(TokenOrder(name, rank, groups), OPS)

    def refusal(self, text: str) -> str:
        with pytest.raises(NoGrant) as refused:
            self.access.check(text)
        assert text.split("_", 2)[-1] not in str(refused.value) or len(text) < 43
        return refused.value.reason
