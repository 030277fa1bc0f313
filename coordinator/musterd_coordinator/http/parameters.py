"""The parameters of questions about many members say which of them, and in which order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar, Self

import msgspec

from musterd.model import Mark, SortKey, SortOrder, State
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.judge.transitions import Cause
from musterd_coordinator.service.contract import PAGE_LIMIT, Ordering
from musterd_coordinator.service.hindsight import Hindsight
from musterd_coordinator.service.paging import PLACE_LIMIT, place_of
from musterd_coordinator.service.selection import Filters

CAUSES = [cause.name.lower() for cause in Cause]
"""The words for why a member changed, as metrics have them."""


class MembersParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters say which members, and how many of them."""

    state: (
        Annotated[State, msgspec.Meta(description=f"one of {', '.join(State)}")] | msgspec.UnsetType
    ) = msgspec.UNSET
    zone: (
        Annotated[str, msgspec.Meta(max_length=255, description="a zone; empty for no zone")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    up: Annotated[bool, msgspec.Meta(description="true or false")] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    mark: (
        Annotated[Mark, msgspec.Meta(description=f"one of {', '.join(Mark)}")] | msgspec.UnsetType
    ) = msgspec.UNSET
    silent_for: (
        Annotated[float, msgspec.Meta(ge=0, description="seconds of silence, or more")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    match: (
        Annotated[
            str,
            msgspec.Meta(max_length=255, description="a part of the name, in capitals or not"),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    owner: (
        Annotated[str, msgspec.Meta(max_length=255, description="an owner; empty for none")]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    cause: (
        Annotated[
            str,
            msgspec.Meta(
                pattern=f"^({'|'.join(CAUSES)})$",
                description=f"why it last changed, one of {', '.join(CAUSES)}",
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    sort: Annotated[SortKey, msgspec.Meta(description=f"one of {', '.join(SortKey)}")] = (
        SortKey.NAME
    )
    order: Annotated[SortOrder, msgspec.Meta(description=f"one of {', '.join(SortOrder)}")] = (
        SortOrder.ASC
    )
    after: Annotated[
        str,
        msgspec.Meta(
            max_length=PLACE_LIMIT,
            description="the next of the page before; sorted by name, any name",
        ),
    ] = ""
    limit: Annotated[
        int,
        msgspec.Meta(ge=1, le=PAGE_LIMIT, description=f"a whole number from 1 to {PAGE_LIMIT}"),
    ] = PAGE_LIMIT

    @property
    def ordering(self) -> Ordering:
        """Return by what they are sorted, and which way."""
        return Ordering(self.sort, self.order)

    @property
    def filters(self) -> Filters:
        """Return what is asked of them."""
        given = ((name, getattr(self, name)) for name in Filters._fields)
        return Filters(**{name: value for name, value in given if value is not msgspec.UNSET})

    def check(self) -> Self:
        """Return itself, or raise the Problem that ``after`` is no place in this order."""
        if self.sort is not SortKey.NAME and self.after and place_of(self.after) is None:
            raise Problem(
                409, f"after is {self.after!r}; it must be the next of the page before", "after"
            )
        return self


_Instant = Annotated[
    datetime, msgspec.Meta(tz=True, description="an instant in RFC 3339, as 2026-03-01T12:00:00Z")
]
_Group = Annotated[str, msgspec.Meta(max_length=255, description="a group; without it all of them")]
_Zone = Annotated[str, msgspec.Meta(max_length=255, description="a zone; empty for no zone")]


class PastParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters say of whom, and from when to when."""

    INSTANTS: ClassVar[Sequence[str]] = ("since", "until")

    group: _Group | msgspec.UnsetType = msgspec.UNSET
    zone: _Zone | msgspec.UnsetType = msgspec.UNSET
    since: _Instant | msgspec.UnsetType = msgspec.UNSET
    until: _Instant | msgspec.UnsetType = msgspec.UNSET

    def asked(self, group: str | None) -> Hindsight:
        """Return what is asked of the past, of ``group``."""
        given = {name: getattr(self, name) for name in ("zone", "since", "until")}
        given = {name: value for name, value in given.items() if value is not msgspec.UNSET}
        return Hindsight(group, **given)


class HistoryPageParameters(PastParameters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters say which page, and how many changes."""

    before: Annotated[
        str,
        msgspec.Meta(
            pattern="^([0-9]{1,17}-[0-9]{1,18})?$", description="the next of the page before"
        ),
    ] = ""
    limit: Annotated[
        int, msgspec.Meta(ge=1, le=1000, description="a whole number from 1 to 1000")
    ] = 100


class BucketsParameters(PastParameters, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters say by how many seconds."""

    step: Annotated[
        int, msgspec.Meta(ge=1, le=86400, description="whole seconds from 1 to 86400")
    ] = 60
