"""The module knows who may come in by which token, and makes and revokes tokens.

It goes by what it last heard of the registry: while that is lost, tokens are good that were so then.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from typing import NamedTuple

import anyio
import structlog

from musterd.errors import Conflict, NotFound, RegistryError
from musterd.orders import UNTOLD, Origin
from musterd.tokens import (
    NewToken,
    Rank,
    TokenFacts,
    TokenList,
    TokenOrder,
    check_token_order,
    draw,
    fits,
    parts,
)
from musterd_coordinator.registry.tokens import KeptToken, KeptTokens, TokenShelf

log = structlog.get_logger(__name__)

PERIOD = 4.0
"""Seconds after which a coordinator looks again for tokens that others made or revoked."""

REMEMBERED = 1024
"""Tokens that were checked and need not be for a while: to look one up takes a tenth of the time."""

REMEMBERED_FOR = 60.0
_TRIES = 3  # at an id that nobody has


class Grant(NamedTuple):
    """A `Grant` is what somebody may do: all that ``rank`` covers, in ``groups``; None: in all."""

    name: str
    rank: Rank
    groups: frozenset[str] | None = None

    def sees(self, group: str) -> bool:
        """Say whether ``group`` is one of its."""
        return self.groups is None or group in self.groups


class NoGrant(Exception):
    """A `NoGrant` says why a token is good for nothing: in a word, and in more of them."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class NoShelf:
    """A `NoShelf` is a :class:`TokenShelf` that has no token and takes none."""

    async def all(self) -> KeptTokens:
        return KeptTokens(0, ())

    async def add(self, token: KeptToken) -> bool:
        raise RegistryError("there is no registry to keep tokens in")

    async def revoke(self, name: str, at: datetime) -> bool:
        return False


class _Checked(NamedTuple):
    grant: Grant
    until: float  # seconds of the monotonic clock


class Access:
    """An `Access` knows the tokens of one registry.

    ``wall`` and ``monotonic`` are clocks, in seconds; tokens expire by the first.
    """

    def __init__(
        self, shelf: TokenShelf, wall: Callable[[], float], monotonic: Callable[[], float]
    ) -> None:
        self._shelf = shelf
        self._wall, self._monotonic = wall, monotonic
        self._changing = anyio.Lock()
        self._tokens: dict[str, KeptToken] = {}  # by id
        self._checked: dict[str, _Checked] = {}  # by text
        self.locked = False  # whether there is, or was, any token

    def check(self, text: str) -> Grant:
        """Return what the token ``text`` is good for; raise NoGrant if that is nothing."""
        checked = self._checked.get(text)
        if checked is not None and self._monotonic() < checked.until:
            return checked.grant
        kept = self._find(text)
        grant = _granted(kept.facts)
        if len(self._checked) >= REMEMBERED:
            self._checked.clear()
        left = min(REMEMBERED_FOR, _seconds_left(kept.facts, self._wall()))
        self._checked[text] = _Checked(grant, self._monotonic() + left)
        return grant

    def named(self, name: str) -> Grant | None:
        """Return what the token of this name is good for, whoever proved to be the one it is for."""
        now = self._wall()
        for facts, _ in self._tokens.values():
            if facts.name == name and facts.revoked is None and _seconds_left(facts, now) > 0:
                return _granted(facts)
        return None

    def tokens(self) -> TokenList:
        """Return all tokens by name."""
        return TokenList(sorted((kept.facts for kept in self._tokens.values()), key=_name))

    async def run(self) -> None:
        """Look for what other coordinators changed, for ever. A registry that is lost is told elsewhere."""
        while True:
            await anyio.sleep(PERIOD)
            try:
                await self.refresh()
            except RegistryError as error:
                log.debug("tokens not read", reason=str(error))

    async def refresh(self) -> None:
        """Go by what the registry says now. Raises RegistryError."""
        rows, usable = await self._shelf.all()
        tokens = {kept.facts.id: kept for kept in usable}
        if tokens != self._tokens:
            self._tokens = tokens
            self._checked.clear()
        if rows and not self.locked:
            log.info(
                "tokens asked for", tokens=rows, note="nobody is answered without one from now on"
            )
        self.locked = rows > 0

    async def create(self, order: TokenOrder, origin: Origin = UNTOLD) -> NewToken:
        """Make a token, durably; its text is told this once.

        Raises ConfigError for one that makes no sense, Conflict if its name is taken, RegistryError.
        """
        check_token_order(order)
        async with self._changing:
            for _ in range(_TRIES):
                made = draw()
                kept = KeptToken(self._facts(order, made.id, origin), made.digest)
                if added := await self._shelf.add(kept):
                    break
                await self.refresh()
                self._must_be_free(order.name)
            await self.refresh()
        if not added:
            raise RegistryError(f"the registry did not take the token {order.name}")
        self._log("token created", kept.facts, origin)
        return NewToken(kept.facts, made.text)

    async def revoke(self, name: str, origin: Origin = UNTOLD) -> TokenFacts:
        """Let a token be good for nothing any more, durably; NotFound if there is none of that name."""
        async with self._changing:
            now = datetime.fromtimestamp(self._wall(), UTC)
            found = await self._shelf.revoke(name, now)
            await self.refresh()
        if not found:
            raise NotFound(f"there is no token {name} among {len(self._tokens)}")
        facts = next((one for one in self.tokens().tokens if one.name == name), None)
        if facts is None:
            raise RegistryError(f"the registry's row of the token {name} is damaged")
        self._log("token revoked", facts, origin)
        return facts

    def _find(self, text: str) -> KeptToken:
        found = parts(text)
        if found is None:
            raise NoGrant("malformed", "what was sent is no token of musterd")
        kept = self._tokens.get(found.id)
        if kept is None or not fits(found.secret, kept.digest):
            raise NoGrant("unknown", f"no token {found.id} with this secret is known here")
        facts = kept.facts
        if facts.revoked is not None:
            raise NoGrant("revoked", f"the token {facts.name} was revoked")
        if _seconds_left(facts, self._wall()) <= 0:
            raise NoGrant("expired", f"the token {facts.name} expired at {facts.expires}")
        return kept

    def _facts(self, order: TokenOrder, made: str, origin: Origin) -> TokenFacts:
        now = datetime.fromtimestamp(self._wall(), UTC)
        return TokenFacts(
            name=order.name,
            role=order.role,
            id=made,
            created=now,
            created_by=origin.actor,
            groups=order.groups,
            expires=None if order.days is None else now + timedelta(days=order.days),
        )

    def _must_be_free(self, name: str) -> None:
        if any(kept.facts.name == name for kept in self._tokens.values()):
            raise Conflict(
                f"there is a token {name} already, or was: choose another name, as the history names"
                " orders by it"
            )

    def _log(self, event: str, facts: TokenFacts, origin: Origin) -> None:
        said = {name: value for name, value in origin._asdict().items() if value}
        log.info(event, name=facts.name, id=facts.id, role=facts.role.value, **said)


def _granted(facts: TokenFacts) -> Grant:
    return Grant(facts.name, facts.role, frozenset(facts.groups) if facts.groups else None)


def _seconds_left(facts: TokenFacts, now: float) -> float:
    return inf if facts.expires is None else facts.expires.timestamp() - now


def _name(facts: TokenFacts) -> str:
    return facts.name
