"""The module makes estimates with their 95 % confidence intervals."""

from dataclasses import dataclass
from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from musterd_coordinator.judge.members import Seconds

Z = 1.959964  # the normal distribution's 97.5 % quantile
NONE_SEEN = 3.0
"""With no event in an exposure E, the rate is below 3/E with 95 % confidence (J. A. Hanley and
A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249(13), 1983)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An `Estimate` is a value with its standard error and the ends of its 95 % interval."""

    value: float
    error: float
    low: float
    high: float

    @classmethod
    def normal(cls, value: float, error: float) -> "Estimate":
        """Estimate by the normal approximation; only for non-negative quantities."""
        return cls(value, error, max(0.0, value - Z * error), value + Z * error)

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate in another unit."""
        return Estimate(*(factor * each for each in (self.value, self.error, self.low, self.high)))

    def inverse(self) -> "Estimate":
        """Return the recurrence time of a rate, by the delta method."""
        if not self.value:
            return Estimate(inf, nan, 1 / self.high if self.high else 0.0, inf)
        low, high = 1 / self.high, 1 / self.low if self.low else inf
        return Estimate(1 / self.value, self.error / self.value**2, low, high)

    def complement(self) -> "Estimate":
        """Return the complement of a probability."""
        return Estimate(1 - self.value, self.error, 1 - self.high, 1 - self.low)


def mean(values: Seconds) -> Estimate:
    """Return the mean of independent values."""
    if len(values) < 2:
        return Estimate(float(values[0]) if len(values) else nan, nan, nan, nan)
    return Estimate.normal(float(values.mean()), float(values.std(ddof=1)) / sqrt(len(values)))


def rate(counts: NDArray[np.unsignedinteger], exposure: NDArray[np.floating]) -> Estimate:
    """Return events by exposure, as :func:`ratio`; with an upper end also where none was seen."""
    estimate, total = ratio(counts, exposure), float(exposure.sum(dtype=np.float64))
    return estimate if estimate.value else Estimate(0.0, nan, 0.0, NONE_SEEN / total)


def ratio(events: NDArray[np.generic], exposure: NDArray[np.generic]) -> Estimate:
    """Return the sum of ``events`` by that of ``exposure``, where entry i of both is of member i.

    Members are independent of each other, given the faults, and what happens to one member is not;
    so members are the units, and the standard error is that of a ratio estimator (W. G. Cochran,
    "Sampling Techniques", 3rd ed., 1977, section 6.4), without a correction for a finite
    population.
    """
    counted, over = events.astype(np.float64), exposure.astype(np.float64)
    total = float(over.sum())
    if not total:
        return Estimate(nan, nan, nan, nan)
    value = float(counted.sum()) / total
    if not value:
        return Estimate(0.0, nan, nan, nan)
    counted -= value * over
    return Estimate.normal(value, sqrt(float(np.dot(counted, counted))) / total)
