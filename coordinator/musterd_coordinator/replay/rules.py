"""By what rules a recording is judged anew: those that were in force, and what is to be changed of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from musterd.errors import ConfigError
from musterd.limits import (
    INTERVALS_UNTIL_DOWN,
    MAX_INTERVAL,
    MIN_INTERVAL,
    PUSH_SHARE,
    USUAL_PUSH_TIMEOUT,
)
from musterd.report.world import setting
from musterd.trace.lines import TraceHeader
from musterd_coordinator.judge.members import Seconds
from musterd_coordinator.judge.rules import Rules

CHANGEABLE = ("service_down_time", "interval", "sweep_period", "storm_hold")
"""Settings that a replay can be given."""

NOVA_WAITS = "rpc_response_timeout"
"""The setting that says, in seconds, how long services of Nova wait for an answer, where they are watched."""


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """`ReplayRules` are the detector's rules, and when sweeps come and may take; in seconds.

    ``interval`` is how often members beat that do not say so themselves; None: as they did.
    """

    judging: Rules
    sweep_period: float
    sweep_timeout: float
    interval: float | None

    def down_after(self, interval: float) -> float:
        """Return for how long a member with such an interval may be silent, as the detector has it."""
        judging, known = self.judging, np.array([interval])
        more = float(judging.push_timeout(known).max()) - interval if judging.queued else 0.0
        enough = INTERVALS_UNTIL_DOWN * interval + max(0.0, more)
        return max(judging.service_down_time, enough)


def replay_rules(header: TraceHeader, changed: Mapping[str, float]) -> ReplayRules:
    """Return the rules of ``header``, with what is ``changed`` of :data:`CHANGEABLE`.

    A hold of twice the ``service_down_time`` stays so. Raises ConfigError for settings that cannot be.
    """
    known = {name: setting(header, name) for name in CHANGEABLE}
    if "service_down_time" in changed and known["storm_hold"] == 2 * known["service_down_time"]:
        known["storm_hold"] = 2 * changed["service_down_time"]
    known |= changed
    for name in ("interval", "sweep_period"):
        if not MIN_INTERVAL <= known[name] <= MAX_INTERVAL:
            raise ConfigError(f"run {header.run}: no coordinator has a {name} of {known[name]:g} s")
    if known["sweep_period"] >= known["service_down_time"]:
        raise ConfigError(
            f"a sweep period of {known['sweep_period']:g} s is not shorter than service_down_time"
            f" {known['service_down_time']:g} s; give another --sweep-period or --service-down-time"
        )
    judging = _judging(header, known)
    timeout = min(10.0, known["service_down_time"] / 2)
    return ReplayRules(judging, known["sweep_period"], timeout, changed.get("interval"))


def _judging(header: TraceHeader, known: Mapping[str, float]) -> Rules:
    patience = header.settings.get(NOVA_WAITS)
    queued = patience is not None

    def push_timeouts(intervals: Seconds) -> Seconds:
        told = patience if queued else header.settings.get("push_timeout")
        if isinstance(told, int | float):
            return np.full(len(intervals), float(told))
        return np.minimum(USUAL_PUSH_TIMEOUT, PUSH_SHARE * intervals)

    return Rules(
        service_down_time=known["service_down_time"],
        interval=known["interval"],
        push_timeout=push_timeouts,
        storm_min=int(setting(header, "storm_min")),
        storm_fraction=setting(header, "storm_fraction"),
        storm_hold=known["storm_hold"],
        queued=queued,
    )
