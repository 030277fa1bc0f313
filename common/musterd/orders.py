"""The one rule of what an order may say is the same for HTTP, the command line and Python."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import fields

from musterd.errors import ConfigError
from musterd.model import FactsChange, Mark, State, Text, check_metadata, check_text

ANONYMOUS = "anonymous"
"""The actor where nobody is asked who it is."""


class Origin(NamedTuple):
    """An ``Origin`` is who gave an order, from which address, and the id of the request."""

    actor: str = ""
    address: str = ""
    request: str = ""


UNTOLD = Origin()
"""The origin of an order of which none is told."""


class OrderError(ConfigError):
    """An ``OrderError`` says that an order makes no sense.

    ``field`` is the part of it that does not, if it is one.
    """

    def __init__(self, text: str, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


ORDER_LIMIT = 100_000
"""Members that one order of many may be for."""

NAMES_LIMIT = 10_000
"""Members that one order may name."""

EXAMPLES = 100
"""Members that the answer to an order of many names."""


class Selector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ``Selector`` says which members of a group an order is for: those that all of it fits.

    ``match`` is a part of the name, in capitals or not. ``everybody``, which must be true, stands alone.
    """

    zone: str | UnsetType = UNSET
    state: State | UnsetType = UNSET
    match: str | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    mark: Mark | UnsetType = UNSET
    everybody: bool | UnsetType = UNSET


class GroupOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A ``GroupOrder`` is the body of an order for many members: ``members`` by name, or a ``selector``.

    It disables or enables them, forces them down or no longer, or confirms the silence of those that a
    mass silence holds: they are dead, and their hold ends now. ``reason`` is kept with what is set to
    true. With ``dry_run`` nothing is done, and the answer says what would be; with ``expect`` nothing
    is done either, unless it is for so many members.
    """

    members: Annotated[list[str], Meta(min_length=1, max_length=NAMES_LIMIT)] | UnsetType = UNSET
    selector: Selector | UnsetType = UNSET
    disabled: bool | None = None
    forced_down: bool | None = None
    confirm_silence: bool = False
    reason: Text = ""
    dry_run: bool = False
    # A whole number, which 5.0 is too in a JSON schema.
    expect: Annotated[float, Meta(ge=0, extra_json_schema={"type": "integer"})] | None = None

    @property
    def change(self) -> FactsChange:
        """Return what it changes of the facts of each of them."""
        given = {name: getattr(self, name) for name in ("disabled", "forced_down")}
        given = {name: value for name, value in given.items() if value is not None}
        return FactsChange(**given, reason=self.reason or UNSET)


class OrderAnswer(msgspec.Struct, frozen=True):
    """An ``OrderAnswer`` says for how many members an order was, and how many it ``changed``.

    With ``dry_run`` it would be so. ``members`` are the first hundred that matched, by name, and
    ``not_found`` are names that the group has no member of.
    """

    version: int
    matched: int
    changed: int
    members: list[str]
    dry_run: bool
    not_found: list[str] = []


def check_group_order(order: GroupOrder) -> None:
    """Refuse an order for many members that makes no sense: raise OrderError."""
    _check_whom(order)
    flags = (order.disabled, order.forced_down)
    if order.confirm_silence == (flags != (None, None)):
        raise OrderError(
            "say what to do: disabled or forced_down, true or false, or confirm_silence alone",
            "confirm_silence" if order.confirm_silence else None,
        )
    _check("reason", partial(check_text, "reason", order.reason))
    if order.reason and not order.confirm_silence and True not in flags:
        raise OrderError(
            "reason is kept with disabled, forced_down or confirm_silence; give it with one of them"
            " set to true",
            "reason",
        )


def _check_whom(order: GroupOrder) -> None:
    if (order.members is UNSET) == (order.selector is UNSET):
        raise OrderError("say whom it is for: members or a selector, and not both")
    if order.selector is UNSET:
        return
    everybody = order.selector.everybody
    if order.selector == Selector():
        names = ", ".join(field.name for field in fields(Selector) if field.name != "everybody")
        raise OrderError(
            f'a selector takes one of {names}; the whole group is {{"everybody": true}}', "selector"
        )
    if everybody is False or (everybody is True and order.selector != Selector(everybody=True)):
        raise OrderError("everybody is true, and stands alone, or is left out", "selector")


def check_change(change: FactsChange) -> None:
    """Refuse a change of facts that makes no sense: raise OrderError."""
    if change == FactsChange():
        names = ", ".join(field.name for field in fields(FactsChange))
        raise OrderError(f"nothing to change: give at least one of {names}")
    for name in ("reason", "zone", "owner"):
        text = getattr(change, name)
        if isinstance(text, str):
            _check(name, partial(check_text, name, text))
    metadata = change.metadata
    if metadata and not isinstance(metadata, UnsetType):
        _check("metadata", partial(check_metadata, metadata))
    if change.reason and True not in (change.disabled, change.forced_down):  # one is forgotten
        raise OrderError(
            "reason is kept with disabled or forced_down; give it with one of them set to true",
            "reason",
        )


def _check(field: str, check: Callable[[], object]) -> None:
    try:
        check()
    except ConfigError as error:
        raise OrderError(str(error), field) from None
