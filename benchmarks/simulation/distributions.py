"""The module says how long things take: it has the distributions of delays and durations."""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, lgamma, sqrt

import numpy as np
from numpy.random import Generator

from musterd_coordinator.judge.members import Seconds

Draw = Callable[[Generator, int], Seconds]
Cdf = Callable[[Seconds], Seconds]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A `Distribution` is of seconds: ``draw(rng, n)`` gives n values, ``cdf(x)`` is P(D <= x)."""

    spec: str
    draw: Draw
    cdf: Cdf


def parse(spec: str) -> Distribution:
    """Return the distribution named by ``kind:parameter,...``, e.g. ``exponential:0.05``.

    Kinds and their parameters, in seconds where they are times: ``constant:VALUE``,
    ``exponential:MEAN``, ``lognormal:MEDIAN,SIGMA``, ``gamma:SHAPE,SCALE`` and
    ``pareto:LEAST,ALPHA``. Raises ValueError.
    """
    kind, _, text = spec.partition(":")
    if kind not in _KINDS:
        raise ValueError(f"{spec}: no such distribution; there are {', '.join(_KINDS)}")
    names, make = _KINDS[kind]
    usage = f"{spec}: expected {kind}:{','.join(names)}, each greater than 0"
    try:
        values = [float(value) for value in text.split(",")]
    except ValueError:
        raise ValueError(usage) from None
    if len(values) != len(names) or not all(0 < value < np.inf for value in values):
        raise ValueError(usage)
    draw, cdf = make(*values)
    return Distribution(spec, draw, lambda x: np.where(x < 0, 0.0, cdf(np.maximum(x, 0.0))))


def _constant(value: float) -> tuple[Draw, Cdf]:
    return lambda _, n: np.full(n, value), lambda x: (x >= value).astype(np.float64)


def _exponential(mean: float) -> tuple[Draw, Cdf]:
    return lambda rng, n: rng.exponential(mean, n), lambda x: -np.expm1(-x / mean)


def _lognormal(median: float, sigma: float) -> tuple[Draw, Cdf]:
    def cdf(x: Seconds) -> Seconds:
        with np.errstate(divide="ignore"):
            return _normal_cdf(np.log(x / median) / sigma)

    return lambda rng, n: rng.lognormal(np.log(median), sigma, n), cdf


def _gamma(shape: float, scale: float) -> tuple[Draw, Cdf]:
    return lambda rng, n: rng.gamma(shape, scale, n), lambda x: _lower_gamma(shape, x / scale)


def _pareto(least: float, alpha: float) -> tuple[Draw, Cdf]:
    def cdf(x: Seconds) -> Seconds:
        result: Seconds = 1.0 - (least / np.maximum(x, least)) ** alpha
        return result

    return lambda rng, n: least * (1.0 + rng.pareto(alpha, n)), cdf


def _normal_cdf(z: Seconds) -> Seconds:
    return np.fromiter((0.5 * erfc(-each) for each in (z / sqrt(2)).flat), np.float64, z.size)


def _lower_gamma(shape: float, x: Seconds) -> Seconds:
    """Return the regularised lower incomplete gamma function P(shape, x).

    Its power series (Abramowitz and Stegun 6.5.29) converges everywhere; beyond ``far`` the
    function is 1 to all digits.
    """
    far = shape + 40.0 + 12.0 * sqrt(shape)
    near = np.minimum(x, far)
    term = np.full_like(near, np.exp(-lgamma(shape + 1.0)))
    total, n = term.copy(), 0
    while (term > 1e-17 * total).any():
        n += 1
        term *= near / (shape + n)
        total += term
    with np.errstate(divide="ignore"):
        result = total * np.exp(shape * np.log(near) - near)
    return np.where(x >= far, 1.0, np.minimum(result, 1.0))


_KINDS: dict[str, tuple[tuple[str, ...], Callable[..., tuple[Draw, Cdf]]]] = {
    "constant": (("VALUE",), _constant),
    "exponential": (("MEAN",), _exponential),
    "lognormal": (("MEDIAN", "SIGMA"), _lognormal),
    "gamma": (("SHAPE", "SCALE"), _gamma),
    "pareto": (("LEAST", "ALPHA"), _pareto),
}
