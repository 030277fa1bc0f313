"""What follows from a member's state, and from what operators say of it. Pure."""

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.model import Facts, Member, Verdict
from musterd_coordinator.members import STATES, Code

NO_FACTS = Facts()


def decide(code: int, draining: bool, facts: Facts) -> Verdict:
    """The verdict on a member in a state, by what its agent and operators say. Pure."""
    up = code in (Code.UP, Code.SUSPECT) and not facts.forced_down
    return Verdict(
        up=up,
        schedulable=up and not facts.disabled and not draining,
        down=code in (Code.DOWN, Code.LEFT) or facts.forced_down,
        state=STATES[Code(code)],
    )


# Most members have no facts: their verdicts are made once, by code and by whether they drain.
_VERDICTS = [
    [decide(code, draining, NO_FACTS) if code in STATES else None for draining in (False, True)]
    for code in Code
]
_VERDICT_ARRAY = np.array(_VERDICTS, object)


def verdict_of(code: int, status: int, facts: Facts | None) -> Verdict:
    """:func:`decide` by the status of a member's newest beat; None: nothing was said of it."""
    draining = status == Status.DRAINING
    verdict = _VERDICTS[code][draining] if facts is None else decide(code, draining, facts)
    assert verdict is not None, "nobody sits in a free row"
    return verdict


def verdicts_of(codes: NDArray[np.uint8], statuses: NDArray[np.uint8]) -> list[Verdict]:
    """:func:`verdict_of` for n members without facts; both shapes are (n,)."""
    draining = (statuses == Status.DRAINING).view(np.uint8)
    verdicts: list[Verdict] = _VERDICT_ARRAY[codes, draining].tolist()
    return verdicts


def overlaid(member: Member, facts: Facts | None) -> Member:
    """``member`` with the zone, owner and metadata that operators gave it."""
    if facts is None:
        return member
    return Member(
        member.group,
        member.name,
        member.zone if facts.zone is None else facts.zone,
        member.owner if facts.owner is None else facts.owner,
        member.metadata if facts.metadata is None else facts.metadata,
    )
