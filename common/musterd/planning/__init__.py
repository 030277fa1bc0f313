"""The planner finds how much of everything a fleet takes: arithmetic over measured costs, no I/O.

:func:`plan` answers a :class:`Question`. What each thing costs is in ``coefficients.json``, with the
command that measured it; what is assumed about servers and networks is beside it. Docs:
``docs/planning.md``.
"""

import math
from collections.abc import Iterator

from musterd.errors import ConfigError
from musterd.planning.coefficients import Coefficients
from musterd.planning.model import (
    BEHIND,
    DATABASES,
    Detection,
    Need,
    PlanAnswer,
    Question,
    StoreKind,
)
from musterd.planning.risk import false_downs, least_down_time
from musterd.planning.settings import settings
from musterd.planning.sizing import copies, needed

__all__ = ["Coefficients", "PlanAnswer", "Question", "StoreKind", "plan"]

DAY = 86400.0
PERIODS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Sweep periods to choose from, seconds: a longer one is cheaper and finds deaths later."""

INTERVALS = 6
"""The service_down_time that is planned while nobody asks for one, in intervals."""

MOST_FALSE_DOWNS = 1.0
"""Living members that chance may call down, in the whole fleet and a day."""


def plan(question: Question, coefficients: Coefficients) -> PlanAnswer:
    """Return what the fleet of ``question`` takes, whether that fits, and the settings to use.

    Raises ConfigError for durations that contradict each other.
    """
    down_time = question.service_down_time or INTERVALS * question.interval
    _check(question, down_time)
    need = _need(question, down_time, coefficients)
    loss = question.loss ** copies(question.store)
    period = need.sweep_period
    false = false_downs(question.interval, down_time, period, loss) * question.members * DAY
    problems = list(_problems(question, down_time, need, coefficients))
    if false > MOST_FALSE_DOWNS:
        problems.append(_too_many(question, period, loss, false))
    return PlanAnswer(
        question=question,
        fits=not problems,
        problems=problems,
        instead=_instead(question, down_time, coefficients) if problems else None,
        service_down_time=down_time,
        need=need,
        detection=Detection(
            average=down_time + period / 2 - question.interval / 2,
            longest=down_time + period + question.interval,
        ),
        false_downs_a_day=false,
        settings=settings(question, down_time, need),
    )


def _check(question: Question, down_time: float) -> None:
    if down_time <= question.interval:
        raise ConfigError(
            f"service_down_time {down_time:g} is not longer than the interval"
            f" {question.interval:g}: every member would be down between two beats"
        )
    if question.sweep_period is not None and question.sweep_period >= down_time:
        raise ConfigError(
            f"sweep_period {question.sweep_period:g} is not shorter than service_down_time"
            f" {down_time:g}: use a fraction of it"
        )


def _need(question: Question, down_time: float, coefficients: Coefficients) -> Need:
    """Use the sweep period asked for, or else the shortest that coordinators can keep up with."""
    if question.sweep_period is not None:
        return needed(question, question.sweep_period, coefficients)
    usable = [period for period in PERIODS if period <= down_time / 4] or [down_time / 4]
    needs = [needed(question, period, coefficients) for period in usable]
    return next((need for need in needs if _keeps_up(need, coefficients)), needs[-1])


def _keeps_up(need: Need, coefficients: Coefficients) -> bool:
    busy = coefficients.assumed("coordinator_busy")
    return need.coordinator_cores <= busy and need.sweep_seconds <= need.sweep_period / 2


def _problems(
    question: Question, down_time: float, need: Need, coefficients: Coefficients
) -> Iterator[str]:
    """Yield why it does not fit; each in words, with its figure."""
    cores = coefficients.assumed("server_cores") * coefficients.assumed("server_busy")
    memory = coefficients.assumed("server_memory_gb") * 1e9
    if need.server_memory > memory / 2:
        yield (
            f"{need.server_connections} connections and {question.members} members take"
            f" {need.server_memory / 1e9:.0f} GB on one {need.server}; half of its"
            f" {memory / 1e9:.0f} GB is there for it"
        )
    if need.server_cores > cores:
        yield (
            f"{need.beats_a_second:.0f} beats a second and their sweeps take"
            f" {need.server_cores:.1f} cores on one {need.server}; {cores:g} are there for it"
        )
    most = coefficients.assumed("server_connections")
    if need.server_connections > most:
        yield f"{need.server_connections} connections on one {need.server}; {most:.0f} are allowed"
    busy = coefficients.assumed("coordinator_busy")
    if need.coordinator_cores > busy:
        yield (
            f"a coordinator that sweeps every {need.sweep_period:g} s is busy for"
            f" {need.coordinator_cores:.2f} of its one core; {busy:g} is there for it"
        )
    if need.sweep_seconds > need.sweep_period / 2:
        yield (
            f"a sweep takes {need.sweep_seconds:.1f} s, more than half of the sweep_period"
            f" {need.sweep_period:g}: sweep less often"
        )
    if need.reconnect_seconds > down_time:
        yield (
            f"after a restart of the {need.server} its agents take {need.reconnect_seconds:.0f} s of"
            " its CPU to connect again, longer than the service_down_time"
        )


def _too_many(question: Question, period: float, loss: float, false: float) -> str:
    wanted = MOST_FALSE_DOWNS / DAY / question.members
    least = least_down_time(question.interval, period, loss, wanted)
    advice = f"take {least:g}" if math.isfinite(least) else "no service_down_time helps"
    return (
        f"chance alone would call {false:.3g} living members down a day, with"
        f" {question.loss:.3g} of all beats lost: service_down_time is too short, {advice}"
    )


def _instead(question: Question, down_time: float, coefficients: Coefficients) -> str | None:
    """Return the first other store that carries the same fleet; None when none does."""
    database = BEHIND.get(question.store, question.store)
    if database not in DATABASES:
        database = StoreKind.POSTGRESQL
    relay = next(kind for kind, behind in BEHIND.items() if behind is database)
    for kind in (database, relay, StoreKind.MEMCACHED):
        other = question.asked_of(kind)
        need = _need(other, down_time, coefficients)
        if kind is not question.store and not list(_problems(other, down_time, need, coefficients)):
            return kind.value
    return None
