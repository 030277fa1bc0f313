"""What members promise in their beats is held to what an agent may be set to. Pure, in columns.

Promises come from hosts, and may say anything. What one member promises decides when this member is
judged, within bounds, and nothing about any other one.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from musterd.limits import INTERVALS_UNTIL_DOWN, MAX_INTERVAL, MIN_INTERVAL, MIN_PUSH_TIMEOUT
from musterd_coordinator.judge.members import Code, Mask, Members, Rows, Seconds
from musterd_coordinator.judge.rules import Rules

LEAST_CANARY_TIME = 0.25
"""Seconds that a canary has in any case, however hurried the members of its shard are."""

PATIENT = 0.9
"""The share of a shard's members with push timeouts that a canary may outlast: those that wait less
than it took are not judged by that sweep, all others are."""

_SAMPLE = 4096  # members are enough to know what most of them promise
_LONGEST_TOLD = np.iinfo(np.uint16).max  # milliseconds; stands for all that are longer


def note(
    members: Members,
    rows: Rows,
    interval_ms: NDArray[np.uint32],
    push_timeout_ms: NDArray[np.uint16],
    rules: Rules,
) -> None:
    """Note what members in ``rows`` (n) promise in their newest beats (n)."""
    members.interval_ms[rows], members.push_timeout_ms[rows] = interval_ms, push_timeout_ms
    told = interval_ms / 1000
    interval = np.clip(told, MIN_INTERVAL, MAX_INTERVAL)
    allowed, odd = _push_timeouts(interval, push_timeout_ms, rules)
    members.clamped[rows] = (interval != told) | odd
    members.interval[rows] = interval
    members.push_timeout[rows] = allowed
    members.down_after[rows] = _down_after(interval, allowed, rules)


def note_intervals(members: Members, rows: Rows, intervals: Seconds, rules: Rules) -> None:
    """Note what is known of members in ``rows`` (n) without a beat of theirs; 0: nothing."""
    known = np.where(intervals > 0, np.clip(intervals, MIN_INTERVAL, MAX_INTERVAL), 0.0)
    assumed = np.where(known > 0, known, rules.interval)
    members.interval[rows] = known
    allowed = rules.push_timeout(assumed)
    members.push_timeout[rows] = allowed if rules.queued else np.minimum(allowed, assumed)
    members.down_after[rows] = _down_after(known, members.push_timeout[rows], rules)


def judge_by(members: Members, rules: Rules) -> None:
    """Judge all members by other rules than before."""
    used = members.used
    interval = members.interval[used].astype(np.float64)
    members.down_after[used] = _down_after(interval, members.push_timeout[used], rules)


def later(members: Members, rules: Rules) -> Rows:
    """Return the rows judged later than service_down_time, for the sake of a long interval."""
    used = members.used
    return np.flatnonzero(
        (members.down_after[used] > rules.service_down_time) & (members.state[used] != Code.FREE)
    )


def clamped(members: Members) -> Rows:
    """Return the rows of members that promise what no agent may be set to."""
    return np.flatnonzero(members.clamped[members.used])


def canary_time(members: Members, shard: int, rules: Rules) -> float:
    """Return how many seconds a canary on ``shard`` may take to be accepted.

    It is as long as nearly all living members there wait for a push: a few that wait for ages do
    not make it longer, and those that wait for less than it took are left out by themselves.
    """
    rows = np.arange(0, members.size, max(1, members.size // _SAMPLE))
    state = members.state[rows]
    here = ((state == Code.UP) | (state == Code.SUSPECT)) & members.on(shard, rows)
    allowed = members.push_timeout[rows[here]]
    if not len(allowed):
        allowed = rules.push_timeout(np.array([rules.interval]))
    at = ceil(PATIENT * (len(allowed) - 1))
    return max(LEAST_CANARY_TIME, float(np.partition(allowed, at)[at]))


def _down_after(
    interval: Seconds, push_timeout: Seconds | NDArray[np.float32], rules: Rules
) -> Seconds:
    """Return for how long n members may be silent.

    One push may be lost. Whoever waits for it for longer than an interval says nothing meanwhile.
    """
    enough = INTERVALS_UNTIL_DOWN * interval
    if rules.queued:
        enough += np.where(interval > 0, np.maximum(push_timeout - interval, 0.0), 0.0)
    return np.maximum(rules.service_down_time, enough)


def _push_timeouts(
    interval: Seconds, push_timeout_ms: NDArray[np.uint16], rules: Rules
) -> tuple[Seconds, Mask]:
    """Return what n agents give a push, in seconds, and which of them say what cannot be."""
    told = push_timeout_ms / 1000
    told[push_timeout_ms == _LONGEST_TOLD] = MAX_INTERVAL
    silent = push_timeout_ms == 0
    allowed = np.where(silent, rules.push_timeout(interval), told)
    odd = (told > interval) & (push_timeout_ms < _LONGEST_TOLD)
    odd |= (push_timeout_ms > 0) & (told < MIN_PUSH_TIMEOUT)
    most = np.where(silent, np.inf, interval) if rules.queued else interval
    return np.minimum(np.maximum(allowed, MIN_PUSH_TIMEOUT), most), odd
