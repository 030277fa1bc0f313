"""The one rule of what an order may say is the same for HTTP, the command line and Python."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from msgspec import UnsetType
from msgspec.structs import fields

from musterd.errors import ConfigError
from musterd.model import FactsChange, check_metadata, check_text

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
