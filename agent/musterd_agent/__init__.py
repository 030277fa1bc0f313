"""The agent, on every compute host, pushes the beats of its members straight to the store.

In other programs :func:`join` beats in their own event loop, :func:`join_in_thread` beside it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musterd.beat import Status
    from musterd_agent.loop import Counters
    from musterd_agent.membership import JoinOptions, Membership, join
    from musterd_agent.thread import ThreadMembership, join_in_thread

__all__ = [
    "Counters",
    "JoinOptions",
    "Membership",
    "Status",
    "ThreadMembership",
    "join",
    "join_in_thread",
]

_HOMES = {
    "Counters": "musterd_agent.loop",
    "JoinOptions": "musterd_agent.membership",
    "Membership": "musterd_agent.membership",
    "Status": "musterd.beat",
    "ThreadMembership": "musterd_agent.thread",
    "join": "musterd_agent.membership",
    "join_in_thread": "musterd_agent.thread",
}


def __getattr__(name: str) -> object:
    """Import a name only when it is asked for: the daemon starts without the library's half."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
