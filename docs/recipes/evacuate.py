"""An evacuation that acts on `down` alone: never on silence, nor on no answer."""

from collections.abc import Callable

from musterd import Client
from musterd.model import State

MOST = 20  # more at once than a person wants to hear of afterwards


class TooMany(Exception):
    """More are down than may be evacuated without a person who looks first."""


def evacuate_the_dead(
    musterd: Client, evacuate: Callable[[str], None], done: set[str], group: str = "compute"
) -> None:
    """Look once, and ``evacuate`` each host that is down and not ``done``; who is back is so no more.

    An error of musterd's ends the look, and the next one finds what is left.

    :raises TooMany: more than ``MOST``; nothing was done.
    """
    down = {member.member for member in musterd.members(group, state=State.DOWN)}
    done &= down
    waiting = sorted(down - done)
    if len(waiting) > MOST:
        raise TooMany(
            f"{len(waiting)} members of {group} are down: look, before they are evacuated"
        )
    for host in waiting:
        answer = musterd.query(group, [host])  # again: the one before may have taken an hour
        verdict = answer.members.get(host)
        if answer.listening and verdict is not None and verdict.down:
            evacuate(host)
            done.add(host)
