"""The module states a run's figures, for people and for programs."""

from dataclasses import dataclass
from math import isfinite

import numpy as np

from benchmarks.simulation.closed_form import ClosedForm, closed_form
from benchmarks.simulation.ledger import Blame, Ledger
from benchmarks.simulation.run import Outcome, detection_bound
from benchmarks.simulation.scenario import HOUR
from benchmarks.simulation.statistics import Estimate, mean
from musterd_coordinator.judge.members import Seconds


@dataclass(frozen=True, slots=True)
class Finding:
    """A `Finding` is one line of a run.

    It has a value, the ends of its 95 % interval, and what the closed form says.
    """

    figure: str
    unit: str
    value: float
    low: float | None = None
    high: float | None = None
    closed_form: float | None = None


def figures(outcome: Outcome) -> list[Finding]:
    """Return everything that a run found."""
    form = closed_form(outcome.scenario)
    return [*_mistakes(outcome.ledger, form), *_detection(outcome, form), *_listening(outcome)]


def _estimate(
    name: str, unit: str, estimate: Estimate, closed: float | None = None, factor: float = 1.0
) -> Finding:
    scaled = estimate.scaled(factor)
    closed = None if closed is None else closed * factor
    return Finding(name, unit, scaled.value, scaled.low, scaled.high, closed)


def _mistakes(ledger: Ledger, form: ClosedForm) -> list[Finding]:
    rate, recurrence = ledger.rate(Blame.LOSS), ledger.rate(Blame.LOSS).inverse()
    duration, members = ledger.duration(Blame.LOSS), ledger.size
    ever = int(np.count_nonzero(ledger.mistakes.any(axis=0)))
    expected = form.mistake_rate * float(ledger.exposure.sum(dtype=np.float64))
    fleet = form.recurrence / members
    most = int(ledger.mistakes.sum(axis=0).max())
    return [
        Finding(
            "mistakes, by independent loss", "", ledger.count(Blame.LOSS), None, None, expected
        ),
        Finding("mistakes, by loss and faults together", "", ledger.count(Blame.BOTH)),
        Finding("mistakes, by faults alone", "", ledger.count(Blame.FAULT)),
        Finding("members ever called down in error", "", ever),
        Finding("most mistakes about one member", "", most),
        _estimate("lambda_M, a member, by loss", "1/h", rate, form.mistake_rate, HOUR),
        _estimate("T_MR, a member, by loss", "h", recurrence, form.recurrence, 1 / HOUR),
        _estimate("T_MR, the fleet, by loss", "s", recurrence.scaled(1 / members), fleet),
        _estimate("T_M, by loss", "s", duration, form.mistake_duration),
        _estimate("T_M, by faults alone", "s", ledger.duration(Blame.FAULT)),
        _estimate("1 - P_A, all mistakes", "", ledger.accuracy().complement(), 1 - form.accuracy),
    ]


def _detection(outcome: Outcome, form: ClosedForm) -> list[Finding]:
    deaths, bound = outcome.ledger.detections(), detection_bound(outcome.scenario)
    quiet = outcome.undisturbed(deaths.crashed)
    # Of the last deaths only the quickly found ones are known.
    whole = deaths.crashed < outcome.scenario.duration - bound
    calm, others = deaths.times[quiet & whole], deaths.times[~quiet]
    listened = outcome.listened(deaths.crashed[~quiet], deaths.found[~quiet])
    return [
        Finding("deaths found, far from faults", "", len(calm)),
        _estimate("T_D, mean", "s", mean(calm), form.detection_time),
        Finding("T_D, 99th percentile", "s", _most(calm, 99)),
        Finding("T_D, longest; bound", "s", _most(calm), closed_form=bound),
        Finding("deaths found, the others", "", len(others)),
        Finding("T_D, longest, of these", "s", _most(others)),
        Finding("longest since the last fault; bound", "s", _most(listened), closed_form=bound),
        Finding("deaths overdue", "", outcome.overdue),
        Finding("back before they were found", "", outcome.ledger.unnoticed),
    ]


def _listening(outcome: Outcome) -> list[Finding]:
    faults, duration = outcome.faults, outcome.scenario.duration
    counts = (len(faults.stalls), len(faults.restarts), len(faults.pauses))
    names = ("store stalls", "store restarts", "coordinator pauses")
    return [
        *(Finding(name, "", count) for name, count in zip(names, counts, strict=True)),
        Finding("listening, of the time", "%", 100 * float(outcome.time[-1]) / duration),
    ]


def _most(times: Seconds, percentile: float = 100) -> float:
    return float(np.percentile(times, percentile)) if len(times) else float("nan")


def plain(figure: Finding) -> dict[str, object]:
    """Return a finding for JSON, which has no NaN and no infinity."""
    numbers = {name: getattr(figure, name) for name in ("value", "low", "high", "closed_form")}
    known = {name: _finite(number) for name, number in numbers.items()}
    return {"figure": figure.figure, "unit": figure.unit, **known}


def row(figure: Finding) -> list[object]:
    """Return a finding for the table."""
    numbers = (figure.value, figure.low, figure.high, figure.closed_form)
    return [figure.figure, figure.unit, *(_text(number) for number in numbers)]


def _finite(number: float | None) -> float | None:
    return number if number is not None and isfinite(number) else None


def _text(number: float | None) -> str:
    if number is None or np.isnan(number):
        return "-"
    return f"{number:d}" if isinstance(number, int) else f"{number:.4g}"
