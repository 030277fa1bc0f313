"""A caller is let in by its token, where there are any: to what its role does, in its groups."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from secrets import token_hex
from typing import NamedTuple

import structlog
from starlette.types import Scope

from musterd.orders import Origin
from musterd.tokens import Rank
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.rates import Repeats
from musterd_coordinator.service.access import Access, Grant, NoGrant

log = structlog.get_logger(__name__)

ANONYMOUS = "anonymous"
ADDRESSES = 1024
"""Addresses of which it is remembered that a refusal was logged."""

LOGGED = 100
"""Refusals, of all addresses, that have a line in the log within a minute."""

_SANE = re.compile(rb"[A-Za-z0-9._:+/=-]{1,64}")
_REALM = 'Bearer realm="musterd"'
_SEND = (
    "send it as Authorization: Bearer …; commands take it from MUSTERD_TOKEN or token_file, and"
    " `musterd token create` makes one"
)


class Caller(NamedTuple):
    """A `Caller` is who asks: what it may do, and by which token, if by any."""

    grant: Grant
    token: str | None = None


OPEN = Caller(Grant(ANONYMOUS, Rank.ADMIN))
READS = Caller(Grant(ANONYMOUS, Rank.READER))


class Needs(NamedTuple):
    """A `Needs` is what an operation takes: a role, and if it is ``of_all`` groups all of them."""

    rank: Rank
    of_all: bool = False


READER, READER_OF_ALL = Needs(Rank.READER), Needs(Rank.READER, of_all=True)
OPERATOR, ADMIN = Needs(Rank.OPERATOR), Needs(Rank.ADMIN, of_all=True)


class Login:
    """A `Login` knows who may come in. Questions are open to all where ``anonymous_read``."""

    def __init__(
        self,
        access: Access,
        gauges: HttpGauges,
        clock: Callable[[], float],
        *,
        anonymous_read: bool = False,
    ) -> None:
        self.anonymous_read = anonymous_read
        self._access = access
        self._refused = gauges.requests_refused
        self._lines = _Lines(clock)

    def admit(self, scope: Scope, needs: Needs | None) -> Caller:
        """Return who asks; raise the Problem that keeps it out. What is open needs nothing."""
        if needs is None or not self._access.locked:
            return OPEN
        caller = self._caller(scope, needs.rank)
        self.must_be(scope, caller, needs.rank)
        group = scope["path_params"].get("group")
        if needs.of_all or group is not None:
            self.must_see(scope, caller, group)
        return caller

    def must_be(self, scope: Scope, caller: Caller, needed: Rank) -> None:
        """Raise the Problem that ``caller`` has not the role ``needed``."""
        if caller.grant.rank.covers(needed):
            return
        text = (
            f"this takes the role {needed}, and {_named(caller)} has the role {caller.grant.rank}"
        )
        raise self._denied(scope, "role", text, caller)

    def must_see(self, scope: Scope, caller: Caller, group: str | None) -> None:
        """Raise the Problem that ``group`` is none of the caller's; None: it asks for all groups."""
        if caller.grant.groups is None or (group is not None and caller.grant.sees(group)):
            return
        theirs = ", ".join(sorted(caller.grant.groups))
        what = "tells of all groups" if group is None else f"is of group {group}"
        text = f"this {what}, and {_named(caller)} is for {theirs} alone"
        raise self._denied(scope, "group", text, caller)

    def holds(self, caller: Caller) -> bool:
        """Say whether ``caller``, who was let in some time ago, would be let in still."""
        if caller.token is None:
            return not self._access.locked or self.anonymous_read
        try:
            return self._access.check(caller.token) == caller.grant
        except NoGrant:
            return False

    def _caller(self, scope: Scope, needed: Rank) -> Caller:
        token = self._token(scope, needed)
        if token is None:
            return READS
        try:
            return Caller(self._access.check(token), token)
        except NoGrant as refused:
            raise self._unknown(scope, refused.reason, str(refused), "invalid_token") from None

    def _token(self, scope: Scope, needed: Rank) -> str | None:
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        given = [value for name, value in headers if name == b"authorization"]
        if not given:
            if self.anonymous_read and needed is Rank.READER:
                return None
            text = f"this takes a token with the role {needed}: {_SEND}"
            raise self._unknown(scope, "missing", text)
        scheme, _, token = given[0].partition(b" ")
        if len(given) > 1 or scheme.lower() != b"bearer":
            text = f"one header Authorization: Bearer with a token of role {needed} is taken here"
            raise self._unknown(scope, "malformed", text, "invalid_request")
        return token.strip().decode("latin-1")

    def _unknown(self, scope: Scope, reason: str, text: str, error: str = "") -> Problem:
        self._note(scope, reason)
        how = f'{_REALM}, error="{error}"' if error else _REALM
        return Problem(401, text, headers={"www-authenticate": how})

    def _denied(self, scope: Scope, reason: str, text: str, caller: Caller) -> Problem:
        self._note(scope, reason, caller.grant.name)
        return Problem(403, text)

    def _note(self, scope: Scope, reason: str, name: str | None = None) -> None:
        self._refused[reason] += 1
        address = address_of(scope)
        more = self._lines.one_more(address)
        if more is not None:
            said = {} if name is None else {"actor": name}
            log.warning("request refused", reason=reason, address=address, **said, more=more)


class _Lines:
    """`_Lines` says which refusals have a line in the log: one of an address in a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all = Repeats(clock, LOGGED)
        self._of: OrderedDict[str, Repeats] = OrderedDict()

    def one_more(self, address: str) -> int | None:
        """Count one; return None if it has no line, else how many had none since the last of it."""
        its = self._of.pop(address, None) or Repeats(self._clock)
        self._of[address] = its
        if len(self._of) > ADDRESSES:
            self._of.popitem(last=False)
        more = its.one_more()
        return None if more is None or self._all.one_more() is None else more


def request_id(scope: Scope) -> str:
    """Return the id of a request: its own, if it has one of sane characters, else a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if _SANE.fullmatch(given) else token_hex(8)


def origin_of(scope: Scope) -> Origin:
    """Return whose order it is that was let in."""
    return Origin(scope["caller"].grant.name, address_of(scope), scope["request_id"])


def address_of(scope: Scope) -> str:
    """Return the address that a request is from; empty where there is none."""
    client = scope.get("client")
    return client[0] if client else ""


def _named(caller: Caller) -> str:
    return "nobody" if caller.token is None else f"the token {caller.grant.name}"
