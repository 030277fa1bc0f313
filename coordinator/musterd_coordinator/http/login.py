"""A caller is let in by its token, where there are any: to what its role does, in its groups."""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from secrets import token_hex
from typing import NamedTuple

import structlog
from starlette.types import Scope

from musterd.orders import ANONYMOUS, Origin
from musterd.tokens import Rank
from musterd_coordinator.doorway.peer import CLIENT_CN, LOCAL_USER, user_name
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.rates import Repeats
from musterd_coordinator.service.access import Access, Grant, NoGrant

log = structlog.get_logger(__name__)

ADDRESSES = 1024
"""Addresses of which it is remembered that a refusal was logged."""

LOGGED = 100
"""Refusals, of all addresses, that have a line in the log within a minute."""

_RANKS = [rank.value for rank in Rank]
_SANE = re.compile(rb"[A-Za-z0-9._:+/=-]{1,64}")
_REALM = 'Bearer realm="musterd"'
_SEND = (
    "send it as Authorization: Bearer …; commands take it from MUSTERD_TOKEN or token_file, and"
    " `musterd token create` makes one"
)


class Caller(NamedTuple):
    """A `Caller` is who asks: what it may do, and by which token, or by what its connection proves."""

    grant: Grant
    token: str | None = None
    proven: Mapping[str, str] | None = None


OPEN = Caller(Grant(ANONYMOUS, Rank.ADMIN))
READS = Caller(Grant(ANONYMOUS, Rank.READER))


class Needs(NamedTuple):
    """A `Needs` is what an operation takes: a role, and if it is ``of_all`` groups all of them."""

    rank: Rank
    of_all: bool = False


READER, READER_OF_ALL = Needs(Rank.READER), Needs(Rank.READER, of_all=True)
OPERATOR, ADMIN = Needs(Rank.OPERATOR), Needs(Rank.ADMIN, of_all=True)


class Login:
    """A `Login` knows who may come in. Questions are open to all where ``anonymous_read``.

    Where callers show ``certificates``, everybody has to be known, by one or by a token. A certificate
    is good for the role that is its common name, or for what the token of that name is. On a Unix
    socket root and the coordinator's own user are admins, as they have the registry anyway; another
    user is what the token of that name is.
    """

    def __init__(
        self,
        access: Access,
        gauges: HttpGauges,
        clock: Callable[[], float],
        *,
        anonymous_read: bool = False,
        certificates: bool = False,
    ) -> None:
        self.anonymous_read = anonymous_read
        self._certificates = certificates
        self._masters = {user_name(0), user_name(os.geteuid())}
        self._access = access
        self._refused = gauges.requests_refused
        self._lines = _Lines(clock)

    def admit(self, scope: Scope, needs: Needs | None) -> Caller:
        """Return who asks; raise the Problem that keeps it out. What is open needs nothing."""
        if needs is None or not self._is_locked:
            return OPEN if needs in (None, READER) else _open_to(scope)
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

    def group_of(self, scope: Scope, caller: Caller, group: str | None) -> str | None:
        """Return the group that is asked of: the only one of the caller's, where it names none.

        Raises the Problem that it is none of the caller's.
        """
        groups = caller.grant.groups
        if group is None and groups is not None and len(groups) == 1:
            group = next(iter(groups))
        self.must_see(scope, caller, group)
        return group

    def holds(self, caller: Caller) -> bool:
        """Say whether ``caller``, who was let in some time ago, would be let in still."""
        if caller.proven is not None:
            return self._proven(caller.proven) == caller
        if caller.token is None:
            return not self._is_locked or self.anonymous_read
        try:
            return self._access.check(caller.token) == caller.grant
        except NoGrant:
            return False

    @property
    def _is_locked(self) -> bool:
        return self._access.locked or self._certificates

    def _proven(self, state: Mapping[str, str]) -> Caller | None:
        """Return the caller that a connection proves, if it proves one that is known here."""
        if (user := state.get(LOCAL_USER)) in self._masters:
            return Caller(Grant(user, Rank.ADMIN), proven=state)
        name = state.get(CLIENT_CN)
        if name in _RANKS:
            return Caller(Grant(name, Rank(name)), proven=state)
        grant = self._access.named(name or user or "")
        return None if grant is None else Caller(grant, proven=state)

    def _caller(self, scope: Scope, needed: Rank) -> Caller:
        token = self._token(scope)
        if token is None:
            known = self._proven(scope.get("state", {}))
            if known is None and not (self.anonymous_read and needed is Rank.READER):
                text = f"this takes a token with the role {needed}: {_SEND}"
                raise self._unknown(scope, "missing", text)
            return known or READS
        try:
            return Caller(self._access.check(token), token)
        except NoGrant as refused:
            raise self._unknown(scope, refused.reason, str(refused), "invalid_token") from None

    def _token(self, scope: Scope) -> str | None:
        headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
        given = [value for name, value in headers if name == b"authorization"]
        if not given:
            consul = [value for name, value in headers if name == b"x-consul-token"]
            return consul[0].decode("latin-1") if consul else None
        scheme, _, token = given[0].partition(b" ")
        if len(given) > 1 or scheme.lower() != b"bearer":
            text = "one header Authorization is taken here, of the form Bearer and a token"
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


def _open_to(scope: Scope) -> Caller:
    state = scope.get("state", {})
    name = state.get(LOCAL_USER) or state.get(CLIENT_CN) or ANONYMOUS
    return Caller(Grant(name, Rank.ADMIN))


def _named(caller: Caller) -> str:
    return f"the {'token' if caller.token else 'caller'} {caller.grant.name}"
