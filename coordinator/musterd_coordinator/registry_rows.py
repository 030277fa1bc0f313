"""Rows of a registry's tables and what they mean, the same in both homes.

A member's row: group, name, zone, owner, metadata, facts, state, reason, since, first seen,
interval. A row of history: version, at, group, name, old, new, reason. Metadata and facts are
JSON.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from musterd.errors import RegistryError
from musterd.model import Facts, Member, State, Transition
from musterd_coordinator.registry import Entry

Row = tuple[Any, ...]

ROWS_PER_TIMEOUT = 20_000
"""A call that reads or writes more rows than this has that much more time."""

_metadata = msgspec.json.Decoder(dict[str, str])
_facts = msgspec.json.Decoder(Facts)


def as_json(value: object) -> str:
    """``value`` as the text of its JSON."""
    return msgspec.json.encode(value).decode()


def entry_rows(entries: Iterable[Entry]) -> list[Row]:
    """A row for each member among ``entries``; the last one counts if it is there twice."""
    latest = {(entry.member.group, entry.member.name): entry for entry in entries}
    return [
        (
            *(entry.member.group, entry.member.name, entry.member.zone, entry.member.owner),
            *(as_json(entry.member.metadata), as_json(entry.facts)),
            *(entry.state.value, entry.reason),
            *(entry.since.astimezone(UTC), entry.first_seen.astimezone(UTC), entry.interval),
        )
        for entry in latest.values()
    ]


def entry_of(row: Iterable[Any]) -> Entry:
    """The entry that ``row`` stands for. Raises RegistryError if it makes no sense."""
    group, name, zone, owner, metadata, facts, state, reason, since, first_seen, interval = row
    try:
        member = Member(group, name, zone, owner, _metadata.decode(metadata))
        return Entry(
            *(member, _facts.decode(facts), State(state), reason),
            *(_instant(since), _instant(first_seen), interval),
        )
    except (ValueError, msgspec.MsgspecError) as error:
        raise RegistryError(f"the registry's row of {group}/{name} is damaged: {error}") from None


def transition_rows(transitions: Iterable[Transition]) -> list[Row]:
    """A row of history for each of ``transitions``."""
    return [
        (
            *(each.version, each.at.astimezone(UTC), each.group, each.member),
            *(each.old.value, each.new.value, each.reason),
        )
        for each in transitions
    ]


def transition_of(row: Iterable[Any]) -> Transition:
    """The transition that ``row`` stands for. Raises RegistryError if it makes no sense."""
    version, at, group, member, old, new, reason = row
    try:
        return Transition(version, _instant(at), group, member, State(old), State(new), reason)
    except ValueError as error:
        raise RegistryError(f"the history of {group}/{member} is damaged: {error}") from None


def time_for(rows: int, timeout: float) -> float:
    """The deadline, in seconds, of a call about so many rows."""
    return timeout * (1 + rows / ROWS_PER_TIMEOUT)


def _instant(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value
