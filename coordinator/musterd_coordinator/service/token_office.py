"""The module changes the tokens of a registry that no coordinator need be running on."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from musterd.orders import Origin
from musterd.tokens import NewToken, TokenFacts, TokenList, TokenOrder
from musterd_coordinator.registry.base import open_registry
from musterd_coordinator.service.access import Access


class TokenOffice:
    """A `TokenOffice` does for one registry what an admin may ask of a coordinator."""

    def __init__(self, access: Access, origin: Origin, registry: str) -> None:
        self.registry = registry  # for people
        self._access = access
        self._origin = origin

    async def tokens(self) -> TokenList:
        """Return all tokens, without their secrets."""
        return self._access.tokens()

    async def create_token(self, order: TokenOrder) -> NewToken:
        """Make a token, whose text is told this once; raise Conflict if its name is taken."""
        return await self._access.create(order, self._origin)

    async def revoke_token(self, name: str) -> TokenFacts:
        """Let a token be good for nothing any more."""
        return await self._access.revoke(name, self._origin)


@asynccontextmanager
async def token_office(
    url: str,
    namespace: str,
    timeout: float,  # noqa: ASYNC109 (a default for all calls)
    origin: Origin,
) -> AsyncIterator[TokenOffice]:
    """Open the registry of ``url``; raise RegistryInUse where a coordinator has it alone."""
    registry = open_registry(url, namespace=namespace, timeout=timeout)
    await registry.open()
    try:
        access = Access(registry.tokens, time.time, time.monotonic)
        await access.refresh()
        yield TokenOffice(access, origin, registry.url)
    finally:
        await registry.aclose()
