"""These are the words that everyone shares: members, states, and the shapes of every answer.

The structs below are the JSON of the HTTP contract, field for field. Instants are RFC 3339 UTC
strings on the wire and aware datetimes here; durations are seconds.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from musterd.errors import ConfigError

NAME_LIMIT = 255
METADATA_LIMIT = 4096  # bytes of UTF-8, keys and values
NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.:@+-]*$"
_NAME = re.compile(NAME_PATTERN[1:-1])

TEXT_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$"
"""A text may not tell a terminal what to do, begin a line in a log, or change the order in which what
stands around it is shown. What Unicode has not assigned yet harms nobody."""
_TEXT = re.compile(TEXT_PATTERN[1:-1])
_SURROGATES = re.compile(r"[\ud800-\udfff]")  # no JSON in UTF-8 has them; other callers may


class State(StrEnum):
    """A ``State`` is what the coordinator thinks of a member."""

    UNKNOWN = "unknown"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    LEFT = "left"


class Mark(StrEnum):
    """A ``Mark`` says what is to be known of a member besides its state."""

    DISABLED = "disabled"  # by an operator: no new work
    FORCED_DOWN = "forced_down"  # by an operator: down, whatever its beats say
    DRAINING = "draining"  # its agent asks for no new work
    CONFLICT = "conflict"  # others than its agent write its beats, too
    CHECK_FAILING = "check_failing"  # its agent says so


class SortKey(StrEnum):
    """A ``SortKey`` is what members of a page are sorted by."""

    NAME = "name"
    SINCE = "since"  # when it last changed its state
    SILENT = "silent"  # how long ago it was last heard


class SortOrder(StrEnum):
    """A ``SortOrder`` says which way."""

    ASC = "asc"
    DESC = "desc"


class Member(msgspec.Struct, frozen=True, gc=False):
    """A ``Member`` is one service instance in a group, as its agent announces it."""

    group: str
    name: str
    zone: str = ""
    owner: str = ""
    metadata: Mapping[str, str] = {}

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


def check_name(kind: str, name: str) -> str:
    """Return ``name`` itself if it can be a group or a member, else raise ConfigError.

    Names become keys and paths of URLs: letters, digits and ``_ . : @ + -``, at most 255 of them.
    """
    if len(name) > NAME_LIMIT:
        raise ConfigError(f"{kind} name is {len(name)} characters long; at most {NAME_LIMIT}")
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{kind} name {name!r} is not usable: begin with a letter, digit or _,"
            " go on with letters, digits and _ . : @ + -"
        )
    return name


def check_text(kind: str, text: str) -> str:
    """Return ``text`` itself if it can be a zone, owner or reason, else raise ConfigError."""
    if len(text) > NAME_LIMIT:
        raise ConfigError(f"{kind} is {len(text)} characters long; at most {NAME_LIMIT}")
    if not text.isprintable() and (not _TEXT.fullmatch(text) or _SURROGATES.search(text)):
        raise ConfigError(
            f"{kind} {text!r} has control characters, line separators or overrides of direction;"
            " leave them out"
        )
    return text


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``metadata`` if its keys are names and it is small enough, else raise ConfigError."""
    if not metadata:
        return metadata
    for key, value in metadata.items():
        check_name("metadata key", key)
        check_text(f"metadata {key}", value)
    size = len("".join((*metadata, *metadata.values())).encode())
    if size > METADATA_LIMIT:
        raise ConfigError(f"metadata is {size} bytes in all; at most {METADATA_LIMIT}")
    return metadata


def check_member(member: Member) -> Member:
    """Return ``member`` itself if every part of it is usable, else raise ConfigError."""
    _check_shared(member.group, member.zone, member.owner)
    check_name("member", member.name)
    check_metadata(member.metadata)
    return member


def check_members(members: Sequence[Member]) -> Sequence[Member]:
    """Check many as :func:`check_member` does one, with less of it done for each."""
    for shared in {(member.group, member.zone, member.owner) for member in members}:
        _check_shared(*shared)
    names = [member.name for member in members]
    usual = all(map(_NAME.fullmatch, names)) and max(map(len, names), default=0) <= NAME_LIMIT
    for name in () if usual else names:
        check_name("member", name)
    for member in members:
        if member.metadata:
            check_metadata(member.metadata)
    return members


@lru_cache(1024)  # most members of a fleet say the same
def _check_shared(group: str, zone: str, owner: str) -> None:
    check_name("group", group)
    check_text("zone", zone)
    check_text("owner", owner)


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """``Facts`` are what an operator has said of a member.

    They persist whether the member beats or not. None in ``zone``, ``owner`` or ``metadata`` means:
    as its agent announces it.
    """

    zone: str | None = None
    owner: str | None = None
    metadata: Mapping[str, str] | None = None
    disabled: bool = False
    disabled_reason: str = ""
    forced_down: bool = False
    forced_down_reason: str = ""


# For the description alone: :func:`check_name` and :func:`check_text` say more of what is wrong.
_Name = Annotated[
    str, msgspec.Meta(extra_json_schema={"maxLength": NAME_LIMIT, "pattern": NAME_PATTERN})
]
Text = Annotated[
    str, msgspec.Meta(extra_json_schema={"maxLength": NAME_LIMIT, "pattern": TEXT_PATTERN})
]


class FactsChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ``FactsChange`` is the body of a PATCH: what is given changes, the rest stays.

    ``reason`` belongs to ``disabled`` and ``forced_down`` and is forgotten with them. A ``zone``,
    ``owner`` or ``metadata`` given here outlives what the agent announces, until it is set to null.
    """

    disabled: bool | msgspec.UnsetType = msgspec.UNSET
    forced_down: bool | msgspec.UnsetType = msgspec.UNSET
    reason: Text | msgspec.UnsetType = msgspec.UNSET
    zone: Text | msgspec.UnsetType | None = msgspec.UNSET
    owner: Text | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[_Name, Text] | msgspec.UnsetType | None = msgspec.UNSET


class Transition(msgspec.Struct, frozen=True, gc=False):
    """A ``Transition`` is one change of one member's state.

    ``zone`` is that of the member then; empty too where it was not kept, as before an upgrade.
    A restart has ``old == new`` and says so in ``reason``. ``coordinator`` is the one that saw it
    first; there is no line of those that agreed later. Where it is an operator's order, ``actor`` is
    who gave it, from which ``address``, in which ``request``.
    """

    version: int
    at: datetime
    group: str
    member: str
    old: State
    new: State
    reason: str
    coordinator: str = ""
    actor: str = ""
    address: str = ""
    request: str = ""
    zone: str = ""


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """A ``Verdict`` is the short answer: may I talk to it, place work on it, evacuate it?"""

    up: bool
    schedulable: bool
    down: bool
    state: State
