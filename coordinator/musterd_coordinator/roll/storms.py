"""The module has the mass silences that are held, of the zones that have most of the suspects."""

import numpy as np

from musterd.status import StormStatus
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import Code
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.zones import Zones
from musterd_coordinator.steps import Steps

AT_ONCE = 50_000  # suspects that are looked at in one step
SHOWN = 200
"""Storms that are told of one by one; the largest ones, where there are more."""


def storms(detector: Detector, zones: Zones) -> Steps[list[StormStatus]]:
    """Return a storm for each zone that has suspects, in steps; it ends once the last is judged."""
    members, used = detector.members, detector.members.used
    state, zone = members.state[used], members.zone[used]
    suspects = np.flatnonzero(state == Code.SUSPECT)
    if not len(suspects):
        return []
    silent = np.bincount(zone[suspects])
    living = np.bincount(zone[(state == Code.UP) | (state == Code.SUSPECT)], minlength=len(silent))
    struck = np.count_nonzero(silent)
    codes = np.sort(np.argsort(-silent, kind="stable")[: min(SHOWN, struck)])
    named = [zones.key(code) for code in codes.tolist()]
    if len(codes) < struck:
        suspects = suspects[np.isin(zone[suspects], codes)]
    theirs = zone[suspects]  # as it is now, whichever members go meanwhile
    since, remaining = np.full(len(silent), np.inf), np.zeros(len(silent))
    for at in range(0, len(suspects), AT_ONCE):
        yield
        some, where = suspects[at : at + AT_ONCE], theirs[at : at + AT_ONCE]
        np.minimum.at(since, where, members.since[some])
        np.maximum.at(remaining, where, detector.hold_left(some))
    return [
        StormStatus(
            *zone_named,
            silent=silent.item(code),
            living=living.item(code),
            since=wall_instant(since.item(code)),
            ends_in=round(remaining.item(code), 1),
        )
        for code, zone_named in zip(codes.tolist(), named, strict=True)
    ]
