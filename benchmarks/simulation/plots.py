"""The module draws pictures of runs; matplotlib comes with the dependency group ``bench``."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.plots import canvas, save
from benchmarks.simulation.closed_form import closed_form
from benchmarks.simulation.ledger import Blame
from benchmarks.simulation.run import Outcome, detection_bound, simulate
from benchmarks.simulation.scenario import HOUR, Scenario

LOSSES = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
ENOUGH_MEMBERS = 10_000


def draw(outcomes: Mapping[str, Outcome], folder: Path) -> Sequence[Path]:
    """Draw all plots of the same run judged by several clocks; return the files.

    The first of ``outcomes`` is musterd's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    own = next(iter(outcomes.values()))
    return [
        _detection(own, folder / "detection.png"),
        _listening(outcomes, folder / "listening.png"),
        _losses(own.scenario, folder / "losses.png"),
    ]


def _detection(outcome: Outcome, path: Path) -> Path:
    """Draw detection times, and the bound."""
    deaths = outcome.ledger.detections()
    quiet = outcome.undisturbed(deaths.crashed)
    axes = canvas("seconds from the crash to `down` (T_D)", "deaths")
    parts = {"far from faults": quiet, "others": ~quiet}
    shown = {name: deaths.times[which] for name, which in parts.items() if which.any()}
    axes.hist(list(shown.values()), bins=80, stacked=True, label=list(shown))
    axes.axvline(detection_bound(outcome.scenario), color="black", linestyle=":", label="bound")
    return save(axes, path)


def _listening(outcomes: Mapping[str, Outcome], path: Path) -> Path:
    """Draw listening time against real time, and the members that were called down in error."""
    own = next(iter(outcomes.values()))
    at = np.arange(own.scenario.ticks + 1) * own.scenario.sweep_period
    axes = canvas("seconds of the run", "listening time, seconds")
    for name, outcome in outcomes.items():
        wrong = outcome.ledger.count(Blame.FAULT)
        axes.plot(at, outcome.time, label=f"{name}: {wrong:,} mistakes by faults alone")
    for number, (begin, end) in enumerate(own.faults.stalls.tolist()):
        label = "store stalled" if not number else None
        axes.axvspan(begin, min(end, at[-1]), color="orange", alpha=0.3, label=label)
    for number, (begin, end) in enumerate(own.faults.pauses.tolist()):
        label = "coordinator paused" if not number else None
        axes.axvspan(begin, min(end, at[-1]), color="grey", alpha=0.3, label=label)
    for number, instant in enumerate(own.faults.restarts.tolist()):
        label = "store restarted" if not number else None
        axes.axvline(instant, color="red", linestyle=":", label=label)
    return save(axes, path)


def _losses(scenario: Scenario, path: Path) -> Path:
    """Draw mistakes against the probability of loss, in small runs without faults and crashes."""
    calm = replace(
        scenario,
        members=min(scenario.members, ENOUGH_MEMBERS),
        crashes=0.0,
        stalls=0.0,
        restarts=0.0,
        pauses=0.0,
    )
    runs = {loss: simulate(replace(calm, loss=loss)).ledger.rate(Blame.LOSS) for loss in LOSSES}
    seen = {loss: rate.scaled(HOUR) for loss, rate in runs.items() if rate.value}
    values = [rate.value for rate in seen.values()]
    spread = [[r.value - r.low for r in seen.values()], [r.high - r.value for r in seen.values()]]
    axes = canvas("probability that a push is lost", "mistakes per member and hour")
    fine = np.linspace(LOSSES[0], LOSSES[-1], 40).tolist()
    exact = [HOUR * closed_form(replace(calm, loss=loss)).mistake_rate for loss in fine]
    axes.plot(fine, exact, color="black", linewidth=1, label="closed form")
    axes.errorbar(list(seen), values, spread, fmt="o", capsize=3, label="simulation, 95 %")
    axes.set_yscale("log")
    return save(axes, path)
