"""A scheduler's filter, as Nova has them: the hosts that may take work."""

from collections.abc import Iterable

from musterd import Client
from musterd.errors import MusterdError

OLDEST = 60.0  # seconds: who died since then still looks alive
AT_ONCE = 10_000  # names that one question may have


class NothingKnown(Exception):
    """Nobody says who is alive: place nothing now, and take nobody for dead."""


def hosts_that_pass(musterd: Client, hosts: Iterable[str], group: str = "compute") -> list[str]:
    """Return those of ``hosts`` that may take work, in their order.

    While musterd does not listen, its answers are as they were: good enough to place by for a while,
    since a try on a dead host fails and is made elsewhere. Then they are too old.

    :raises NothingKnown: no coordinator answers, or what it knows is older than ``OLDEST``.
    """
    names = list(hosts)
    passed: list[str] = []
    for first in range(0, len(names), AT_ONCE):
        asked = names[first : first + AT_ONCE]
        try:
            answer = musterd.query(group, asked)
        except MusterdError as error:
            raise NothingKnown(str(error)) from error
        age = answer.staleness
        if not answer.listening and (age is None or age > OLDEST):
            raise NothingKnown(f"the coordinator has heard nothing for {age} s")
        known = answer.members
        passed += [name for name in asked if name in known and known[name].schedulable]
    return passed
