"""What a coordinator did since it started, in families of samples for Prometheus."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from musterd_coordinator.http.histograms import histograms
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.sweep.proof import NoProof

KINDS_AT_ONCE = 500
"""Kinds of transitions in one part of their family."""


def counted_families(figures: RunFigures) -> Iterator[Metric]:
    """Yield the families; one of many samples comes in parts, one after the other."""
    yield from _transitions(figures)
    yield _false_downs(figures)
    yield from histograms(
        "musterd_detection_seconds",
        "From the last beat of a member that went down for its silence until it was called down.",
        (),
        {(): figures.detection},
    )
    yield from _of_shards(figures)
    yield _unproven(figures)
    yield from _of_registry(figures)
    yield CounterMetricFamily(
        "musterd_trace_lost_lines_total",
        "Lines of the trace that were not written.",
        figures.trace_lost,
    )


def _of_shards(figures: RunFigures) -> Iterator[Metric]:
    shards = figures.shards.items()
    for name, means, told in (
        ("sweep_duration_seconds", "Durations of sweeps.", "sweeps"),
        ("canary_duration_seconds", "Round trips of canaries.", "canaries"),
        ("beat_lag_seconds", "How late new beats left, as their agents say.", "lags"),
    ):
        measured = {(shard,): getattr(one, told) for shard, one in shards}
        yield from histograms(f"musterd_{name}", means, ("shard",), measured)
    for name, means, counted in (
        ("beats_total", "Beats that were new.", "beats"),
        ("missed_pushes_total", "Pushes that failed before these beats got through.", "missed"),
    ):
        family = CounterMetricFamily(f"musterd_{name}", means, labels=("shard",))
        for shard, one in shards:
            family.add_metric((shard,), getattr(one, counted))
        yield family


def _of_registry(figures: RunFigures) -> Iterator[Metric]:
    yield from histograms(
        "musterd_registry_write_seconds",
        "Durations of writes to the registry.",
        (),
        {(): figures.writes},
    )
    yield GaugeMetricFamily(
        "musterd_registry_written_time_seconds",
        "When the registry last took a write, Unix time.",
        figures.written_at,
    )


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
