"""The module decides what follows from a member's state, and what its agent and operators say.

It is pure. What is stated of a member that an operator forced down is ``down`` (``left`` if it
left): that is what whoever places or evacuates work must hear. What its beats say is ``observed``.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from musterd.beat import Status
from musterd.model import Facts, Mark, Member, Verdict
from musterd_coordinator.judge.members import STATES, Code

NO_FACTS = Facts()

DISABLED, FORCED_DOWN = 1, 2
"""Bits of what operators ordered, as :class:`musterd_coordinator.judge.members.Members` keeps it."""

_ORDERS = 4
_UP = (Code.UP, Code.SUSPECT)
_DOWN = (Code.DOWN, Code.LEFT)


def orders_of(facts: Facts) -> int:
    """Return the orders in ``facts``, as bits."""
    return DISABLED * facts.disabled | FORCED_DOWN * facts.forced_down


def overruled(facts: Facts, ordered: Facts) -> Facts:
    """Return ``facts`` with what their store says was ``ordered`` besides. Pure."""
    if ordered == NO_FACTS:
        return facts
    said = facts
    if ordered.disabled:
        said = replace(said, disabled=True, disabled_reason=ordered.disabled_reason)
    if ordered.forced_down:
        said = replace(said, forced_down=True, forced_down_reason=ordered.forced_down_reason)
    return said


def stated(codes: NDArray[np.uint8], orders: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is stated (n) of members in states ``codes`` (n) under ``orders`` (n)."""
    states: NDArray[np.uint8] = _STATED[codes, orders]
    return states


def decide(code: int, draining: bool, orders: int) -> Verdict:
    """Return the verdict on a member in a state, by what its agent and operators say. Pure."""
    said = int(_STATED[code, orders])
    up = said in _UP
    return Verdict(
        up=up,
        schedulable=up and not orders & DISABLED and not draining,
        down=said in _DOWN,
        state=STATES[Code(said)],
    )


def _stated_of(code: int, orders: int) -> int:
    forced = orders & FORCED_DOWN and code not in (Code.FREE, Code.LEFT)
    return Code.DOWN if forced else code


_STATED = np.array(
    [[_stated_of(code, orders) for orders in range(_ORDERS)] for code in Code], np.uint8
)
_VERDICTS = [
    [
        [decide(code, draining, orders) if code in STATES else None for orders in range(_ORDERS)]
        for draining in (False, True)
    ]
    for code in Code
]
_VERDICT_ARRAY = np.array(_VERDICTS, object)


def verdict_of(code: int, status: int, orders: int) -> Verdict:
    """Return the verdict of :func:`decide` by the status of a member's newest beat."""
    verdict = _VERDICTS[code][status == Status.DRAINING][orders]
    assert verdict is not None, "nobody sits in a free row"
    return verdict


def verdicts_of(
    codes: NDArray[np.uint8], statuses: NDArray[np.uint8], orders: NDArray[np.uint8]
) -> list[Verdict]:
    """Return what :func:`verdict_of` does for each of n members; all shapes are (n,)."""
    draining = (statuses == Status.DRAINING).view(np.uint8)
    verdicts: list[Verdict] = _VERDICT_ARRAY[codes, draining, orders].tolist()
    return verdicts


def marked(
    mark: Mark, statuses: NDArray[np.uint8], orders: NDArray[np.uint8], conflict: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Say which of n members bear ``mark``; all shapes are (n,)."""
    if mark is Mark.CONFLICT:
        return conflict
    if (bit := _BITS.get(mark)) is not None:
        return (orders & bit).astype(np.bool_)
    return np.equal(statuses, _STATUSES[mark])


_BITS = {Mark.DISABLED: DISABLED, Mark.FORCED_DOWN: FORCED_DOWN}
_STATUSES = {Mark.DRAINING: Status.DRAINING, Mark.CHECK_FAILING: Status.CHECK_FAILING}


@lru_cache(256)
def marks_of(status: int, orders: int, conflict: bool) -> Sequence[Mark]:
    """Return the marks of one member."""
    columns = np.array([status], np.uint8), np.array([orders], np.uint8), np.array([conflict])
    return tuple(mark for mark in Mark if marked(mark, *columns).item())


def overlaid(member: Member, facts: Facts | None) -> Member:
    """Return ``member`` with the zone, owner and metadata that operators gave it."""
    if facts is None:
        return member
    return Member(
        member.group,
        member.name,
        member.zone if facts.zone is None else facts.zone,
        member.owner if facts.owner is None else facts.owner,
        member.metadata if facts.metadata is None else facts.metadata,
    )
