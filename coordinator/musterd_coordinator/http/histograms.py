"""Histograms are told to Prometheus with the buckets that they have."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import HistogramMetricFamily, Metric

from musterd_coordinator.histogram import Histogram

HISTOGRAMS_AT_ONCE = 10
"""Histograms in one part of a family, of which 150 samples are made at once."""

_Values = TypeVar("_Values", bound=Sequence[str])


def histograms(
    name: str, means: str, labels: Sequence[str], told: Mapping[_Values, Histogram]
) -> Iterator[Metric]:
    """Yield the family in parts; ``told`` are by the values of their ``labels``."""
    items = [*told.items()]
    for at in range(0, max(1, len(items)), HISTOGRAMS_AT_ONCE):
        family = HistogramMetricFamily(name, means, labels=labels)
        for values, one in items[at : at + HISTOGRAMS_AT_ONCE]:
            bounds = [*(f"{bound:g}" for bound in one.bounds), "+Inf"]
            counts = map(float, accumulate(one.counts))
            family.add_metric(values, [*zip(bounds, counts, strict=True)], one.sum)
        yield family
