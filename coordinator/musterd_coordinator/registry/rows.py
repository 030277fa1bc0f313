"""The module turns rows of a registry's tables into what they mean and back, alike in all homes.

A member's row: group, name, zone, owner, metadata, facts, state, reason, since, first seen,
interval. A row of history: version, at, group, name, old, new, reason, of an order its actor, address
and request, and the member's zone. Metadata and facts are JSON.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

from musterd.errors import RegistryError
from musterd.model import Facts, Member, State, Transition
from musterd_coordinator.registry.base import ChangeFacts, Entry, FactsChanged, Portion, Row
from musterd_coordinator.registry.past import LinePage, Position
from musterd_coordinator.registry.quarantine import RowQuarantine

ROWS_PER_TIMEOUT = 20_000
"""A call that reads or writes more rows than this has that much more time."""

_NEVER = datetime.min.replace(tzinfo=UTC)
_STATES = {state.value: state for state in State}
_LONGEST_INTERVAL = 2**32 / 1000  # seconds: no beat can promise more
_NONSENSE = (KeyError, ValueError, TypeError, AttributeError, OverflowError, msgspec.MsgspecError)

# Most members have the same facts, and announce the same; a million are loaded at a start.
_SHARED = 4096
_facts = lru_cache(_SHARED)(msgspec.json.Decoder(Facts).decode)
_metadata = lru_cache(_SHARED)(msgspec.json.Decoder(dict[str, str]).decode)
_rest = msgspec.json.Decoder(tuple[str, str, str, str, str, str, str, float]).decode


def as_json(value: object) -> str:
    """Return ``value`` as the text of its JSON."""
    return msgspec.json.encode(value).decode()


def entry_row(entry: Entry) -> Row:
    """Return the row of a member."""
    member = entry.member
    return (
        *(member.group, member.name, member.zone, member.owner, as_json(member.metadata)),
        *(as_json(entry.facts), entry.state.value, entry.reason),
        *(entry.since, entry.first_seen, entry.interval),
    )


def entry_of(row: Iterable[Any]) -> Entry:
    """Return the entry that ``row`` stands for. Raises RegistryError if it makes no sense."""
    group, name, zone, owner, metadata, facts, state, reason, since, first_seen, interval = row
    try:
        member = Member(_word(group), _word(name), _word(zone), _word(owner), _metadata(metadata))
        return Entry(
            *(member, _facts(facts), _STATES[state], _word(reason)),
            *(_instant(since), _instant(first_seen), _interval(interval)),
        )
    except _NONSENSE as error:
        raise RegistryError(
            f"the registry's row of {group}/{name} is damaged: {error or type(error).__name__}"
        ) from None


def readable(rows: Iterable[Sequence[Any]], quarantine: RowQuarantine) -> list[Entry]:
    """Return the entries of ``rows``, and put those that make no sense into quarantine instead."""
    entries = []
    for row in rows:
        try:
            entries.append(entry_of(row))
        except RegistryError as error:
            quarantine.add(f"{shown(row[0])}/{shown(row[1])}", str(error))
    return entries


def portion_in(rows: Sequence[Row]) -> Portion:
    """Return the members of ``rows`` (n, 4): name, since, first seen, and a JSON array of the rest.

    The rest is group, zone, owner, metadata, facts, state, reason and interval, of which metadata
    and facts are JSON in themselves. Raises RegistryError if any of them makes no sense.
    """
    if not rows:
        return Portion((), (), (), (), ())
    names, since, first_seen, rest = zip(*rows, strict=True)
    holders = dict(zip(rest, names, strict=True))
    kinds = {text: kind for kind, text in enumerate(holders)}
    try:
        instants = list(map(_instant, since)), list(map(_instant, first_seen))
        if set(map(type, names)) != {str}:
            raise TypeError("a name is no text")
    except _NONSENSE as error:
        raise RegistryError(
            f"the registry's rows of {names[0]} to {names[-1]} are damaged: {error}"
        ) from None
    samples = [_sample(name, text) for text, name in holders.items()]
    return Portion(names, *instants, list(map(kinds.__getitem__, rest)), samples)


def _sample(name: str, rest: str) -> Entry:
    try:
        group, zone, owner, metadata, facts, state, reason, interval = _rest(rest)
    except msgspec.MsgspecError as error:
        raise RegistryError(f"the registry's row of {name} is damaged: {error}") from None
    return entry_of(
        (group, name, zone, owner, metadata, facts, state, reason, _NEVER, _NEVER, interval)
    )


def transition_row(change: Transition) -> Row:
    """Return the row of a line of history; the registry adds which coordinator recorded it."""
    return (
        *(change.version, change.at, change.group, change.member),
        *(change.old.value, change.new.value, change.reason),
        *(change.actor, change.address, change.request, change.zone),
    )


def transition_of(row: Sequence[Any]) -> Transition:
    """Return the transition that ``row`` stands for. Raises RegistryError if it makes no sense."""
    version, at, group, member, old, new, reason, actor, address, request, zone, *by = row
    try:
        coordinator = _word(by[0]) if by else ""
        at, states = _instant(at), (State(old), State(new))
        said = map(_word, (actor, address, request, "" if zone is None else zone))
        return Transition(
            *(int(version), at, group, member, *states, _word(reason), coordinator), *said
        )
    except _NONSENSE as error:
        raise RegistryError(f"the history of {group}/{member} is damaged: {error}") from None


def lines_in(rows: Iterable[Sequence[Any]], quarantine: RowQuarantine) -> list[Transition]:
    """Return the lines of history of ``rows``, without those that make no sense."""
    lines = []
    for row in rows:
        try:
            lines.append(transition_of(row))
        except RegistryError as error:
            quarantine.add(f"history of {shown(row[2])}/{shown(row[3])}", str(error))
    return lines


def page_of(
    rows: Sequence[Sequence[Any]], limit: int, edge: Position | None, quarantine: RowQuarantine
) -> LinePage:
    """Return a page of ``rows`` of history, each with its number at the end; ``edge`` is where they end.

    There are more of them where there are more than ``limit``.
    """
    if len(rows) > limit:
        *_, number = last = rows[limit - 1]
        at = instant_or_none(last[1])
        edge = None if at is None else Position(at, int(number))
    return LinePage(lines_in((row[:-1] for row in rows[:limit]), quarantine), edge)


def edge_of(rows: Sequence[Sequence[Any]]) -> Position | None:
    """Return the position in the first of ``rows``, which have instants and numbers."""
    for at, number in rows:
        if (instant := instant_or_none(at)) is not None:
            return Position(instant, int(number))
    return None


def facts_of(text: object) -> Facts | None:
    """Return the facts that stand in ``text``; None if it makes no sense."""
    try:
        return _facts(text)
    except _NONSENSE:
        return None


class FactsChanges:
    """`FactsChanges` are what ``change`` makes of the facts in rows of a registry, once for each text."""

    def __init__(self, change: ChangeFacts) -> None:
        self._change = change
        self._made: dict[object, tuple[Facts, Facts, str]] = {}

    def of(self, rows: Iterable[tuple[str, object]]) -> tuple[list[FactsChanged], list[Row]]:
        """Return what becomes of members by names and texts of facts; and rows of those that change.

        These rows are names and new texts.
        """
        told, others = list[FactsChanged](), list[Row]()
        for name, text in rows:
            before, after, new = self._made.get(text) or self._make(text)
            told.append(FactsChanged(name, before, after))
            if after is not before:
                others.append((name, new))
        return told, others

    def _make(self, text: object) -> tuple[Facts, Facts, str]:
        known = facts_of(text)
        before = Facts() if known is None else known
        after = self._change(before)
        if after == before and known is not None:
            after = before
        made = self._made[text] = before, after, as_json(after)
        return made


def instant_or_none(value: datetime | str) -> datetime | None:
    """Return the instant that ``value`` is; None if it makes no sense."""
    try:
        return _instant(value)
    except _NONSENSE:
        return None


def as_text(value: object) -> object:
    """Return what a column holds, as text where it can be that."""
    if not isinstance(value, bytes):
        return value
    with suppress(UnicodeDecodeError):
        return value.decode()
    return value


def time_for(rows: int, timeout: float) -> float:
    """Return the deadline, in seconds, of a call about so many rows."""
    return timeout * (1 + rows / ROWS_PER_TIMEOUT)


def shown(name: object) -> str:
    """Return ``name``, which may be anything, for people."""
    return name if isinstance(name, str) and name.isprintable() else repr(name)[:80]


@lru_cache(_SHARED)
def _instant(value: datetime | str) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    if at.tzinfo is None:
        raise ValueError(f"{value} names no time zone")
    at.timestamp()
    return at


def _word(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{shown(value)} is no text")
    return value


def _interval(value: object) -> float:
    if not isinstance(value, float | int) or not 0 <= value <= _LONGEST_INTERVAL:
        raise ValueError(f"{value!r} is no interval")
    return float(value)
