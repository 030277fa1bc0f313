"""The journal is what ``musterd watch`` tells: each change of a member, once and in order."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from musterd.answers import MemberChange
from musterd.cli import render
from musterd.client.view import FleetView, verdict_of
from musterd.model import Mark, Verdict

Name = tuple[str, str]
"""A group and a member."""


class Change(msgspec.Struct, frozen=True):
    """A ``Change`` is one line of ``watch``.

    ``old`` is None for a member that is new, ``new`` for one forgotten. ``actor`` gave the order that
    it follows from, if it does. ``cause`` is a word for why its state changed; that and ``zone`` are
    empty where a new snapshot shows that something changed, while nothing was heard.
    """

    at: datetime
    group: str
    member: str
    old: str | None
    new: str | None
    reason: str
    actor: str = ""
    zone: str = ""
    cause: str = ""


class _Said(NamedTuple):
    """A ``_Said`` is the last that events said of a member: its condition, and why."""

    condition: str
    reason: str


class Journal(FleetView):
    """A ``Journal`` follows the members of all groups, or of ``group``, and notes what changes.

    A snapshot tells verdicts alone: what marks a member bears is known from its first change on.
    """

    def __init__(self, group: str | None, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(group)
        self._now = now or (lambda: datetime.now(UTC))
        self._said: dict[Name, _Said] = {}
        self._changes: list[Change] = []
        self._begun = False

    def news(self) -> list[Change]:
        """Return what changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def nobody(self) -> None:
        """Note that there is no such group: its members are gone, and those that come are new."""
        self.replace({})
        self.resume = ""

    def replace(self, members: dict[Name, Verdict]) -> None:
        """Begin anew with ``members``; what is different now changed while nothing was heard."""
        before, self.members = self.members, members
        begun, self._begun = self._begun, True
        if begun:
            for name in sorted(set(before) | set(members)):
                if before.get(name) != members.get(name):
                    self._compare(name, before.get(name), members.get(name))

    def change(self, key: Name, change: MemberChange) -> None:
        """Take in one change of a whole version."""
        before, said = self.members.get(key), self._said.pop(key, None)
        super().change(key, change)
        if not change.gone:
            self._said[key] = _Said(condition(change), change.reason)
            self._note_change(key, before, said, change)
        elif before is not None:
            gone = Change(
                change.at, *key, _condition(said, before), None, "", change.actor, change.zone
            )
            self._changes.append(gone)

    def _note_change(
        self, name: Name, before: Verdict | None, said: _Said | None, change: MemberChange
    ) -> None:
        new = self._said[name]
        # A snapshot tells no marks: where the verdict is the same, they may well be.
        untold = said is None and before == verdict_of(change)
        old = new.condition if untold else _condition(said, before)
        if new != said:
            same_state = before is not None and before.state is change.state
            reason = _reason(change, same=old == new.condition, same_state=same_state)
            by, where, why = change.actor, change.zone, change.cause
            told = Change(change.at, *name, old, new.condition, reason, by, where, why)
            self._changes.append(told)

    def _compare(self, name: Name, before: Verdict | None, after: Verdict | None) -> None:
        said = self._said.pop(name, None)
        states = _condition(said, before), _condition(None, after)
        self._changes.append(Change(self._now(), *name, *states, ""))


def condition(known: Verdict | MemberChange) -> str:
    """Return a member's state and marks in a few words."""
    marks = render.marks(known) if isinstance(known, MemberChange) else []
    if known.up and not known.schedulable and not marks:
        marks = ["not schedulable"]
    return ", ".join([known.state, *marks])


def _condition(said: _Said | None, verdict: Verdict | None) -> str | None:
    if said is not None:
        return said.condition
    return None if verdict is None else condition(verdict)


def _reason(change: MemberChange, *, same: bool, same_state: bool) -> str:
    """Return the state's reason, unless the change is of a mark or an operator's own word."""
    explains = same or not (same_state or Mark.FORCED_DOWN in change.marks)
    return change.reason if explains else ""
