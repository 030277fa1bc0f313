"""The module asks for more and more beats a second, until something gives way."""

import math
from collections.abc import Callable
from dataclasses import replace

import anyio

from benchmarks.load.field import Field
from benchmarks.load.judge import Step, limit
from benchmarks.load.orders import Interval
from benchmarks.load.run import Glance, Measured, Stretch
from benchmarks.load.settings import Settings

FACTOR = 1.4
"""The factor from the rate of one step to that of the next."""

SETTLE = 2.0
"""Seconds at a new rate before it is measured."""


async def climb(
    field: Field, settings: Settings, show: Callable[[Glance], None]
) -> list[tuple[Step, Measured]]:
    """Shorten the interval step by step; the last step is the first that broke a criterion."""
    steps: list[tuple[Step, Measured]] = []
    interval = settings.interval
    while not steps or not steps[-1][0].broken(settings.p99):
        now = replace(settings, interval=interval)
        await field.crew.order(Interval(interval, now.push_timeout))
        await anyio.sleep(SETTLE)
        measured = await Stretch(field, now, show).measure()
        steps.append((step_of(measured, now), measured))
        interval /= FACTOR
    return steps


def step_of(measured: Measured, settings: Settings) -> Step:
    """Return the step in figures."""
    tally = measured.tally
    p99 = tally.latencies.percentile(99)
    return Step(
        asked=tally.due / max(tally.seconds, 1e-9),
        achieved=tally.rate,
        p99=math.inf if math.isnan(p99) else p99,
        missed=tally.failed + tally.lost + tally.slow,
        sweeps_late=measured.sweeps_late(settings.sweep_period),
        limited_by=limit(measured.strain(settings)),
    )
