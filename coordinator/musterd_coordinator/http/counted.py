"""What a coordinator did since it started, in families of samples for Prometheus."""

from collections.abc import Iterator, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from musterd_coordinator.roll.figures import Histogram, RunFigures
from musterd_coordinator.sweep.proof import NoProof

KINDS_AT_ONCE = 500
"""Kinds of transitions in one part of their family."""


def counted_families(figures: RunFigures) -> Iterator[Metric]:
    """Yield the families; one of many samples comes in parts, one after the other."""
    yield from _transitions(figures)
    yield _false_downs(figures)
    yield _histogram(
        "musterd_detection_seconds",
        "From the last beat of a member that went down for its silence until it was called down.",
        {(): figures.detection},
    )
    shards = figures.shards.items()
    yield _histogram(
        "musterd_sweep_duration_seconds",
        "Durations of sweeps.",
        {(name,): shard.sweeps for name, shard in shards},
    )
    yield _histogram(
        "musterd_canary_duration_seconds",
        "Round trips of canaries.",
        {(name,): shard.canaries for name, shard in shards},
    )
    yield _unproven(figures)


def _transitions(figures: RunFigures) -> Iterator[Metric]:
    counted = list(figures.transitions.items())
    for at in range(0, max(1, len(counted)), KINDS_AT_ONCE):
        family = CounterMetricFamily(
            "musterd_transitions_total",
            "Changes of members that sweeps found, by state before and after and cause.",
            labels=("group", "from", "to", "cause"),
        )
        for kind, count in counted[at : at + KINDS_AT_ONCE]:
            family.add_metric(kind, count)
        yield family


def _false_downs(figures: RunFigures) -> Metric:
    """Return them with a zero for each group that has none: what begins with 1 rises by nothing."""
    family = CounterMetricFamily(
        "musterd_false_downs_total",
        "Members called down for their silence whose agents went on in the same run.",
        labels=("group",),
    )
    for group in sorted({kind.group for kind in figures.transitions}):
        family.add_metric((group,), figures.false_downs[group])
    return family


def _unproven(figures: RunFigures) -> Metric:
    """Return them with a zero for each reason there may be, likewise."""
    family = CounterMetricFamily(
        "musterd_unproven_sweeps_total",
        "Sweeps that were no evidence, by why they were none.",
        labels=("shard", "reason"),
    )
    for name, shard in figures.shards.items():
        for doubt in NoProof:
            family.add_metric((name, doubt), shard.unproven[doubt])
    return family


def _histogram(name: str, means: str, told: Mapping[tuple[str, ...], Histogram]) -> Metric:
    labels = ("shard",) if all(told) else ()
    family = HistogramMetricFamily(name, means, labels=labels)
    for values, one in told.items():
        bounds = [*(f"{bound:g}" for bound in one.bounds), "+Inf"]
        counts = accumulate(one.counts)
        family.add_metric(values, [*zip(bounds, map(float, counts), strict=True)], one.sum)
    return family
