"""musterd tells which members of a group are alive right now.

Other programs may rely on what is here, in :mod:`musterd.errors` and in :mod:`musterd_agent`; the
rest may change.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musterd.answers import (
        GroupAnswer,
        GroupList,
        GroupSummary,
        History,
        MemberAnswer,
        MemberPage,
        QueryAnswer,
    )
    from musterd.client import AsyncClient, Client, Replica
    from musterd.model import FactsChange, Mark, State, Transition, Verdict
    from musterd.status import StatusAnswer

__all__ = [
    "AsyncClient",
    "Client",
    "FactsChange",
    "GroupAnswer",
    "GroupList",
    "GroupSummary",
    "History",
    "Mark",
    "MemberAnswer",
    "MemberPage",
    "QueryAnswer",
    "Replica",
    "State",
    "StatusAnswer",
    "Transition",
    "Verdict",
]

_HOMES = {
    "musterd.client": {"AsyncClient", "Client", "Replica"},
    "musterd.model": {"FactsChange", "Mark", "State", "Transition", "Verdict"},
    "musterd.status": {"StatusAnswer"},
}
"""Where names come from; the others are in ``musterd.answers``."""


def __getattr__(name: str) -> object:
    """Import a name only when it is asked for: an agent asks for none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((home for home, names in _HOMES.items() if name in names), "musterd.answers")
    return getattr(import_module(home), name)
