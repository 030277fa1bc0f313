"""The module finds how often chance alone calls a living member down.

The model is that of ``docs/simulation.md``, with beats that take no time: each is lost with
probability p, by itself. A member is down after a sweep exactly when nothing arrived in the last m
sweep periods, m = ceil(service_down_time / sweep_period). A window of w seconds holds
k = floor(w / interval) beats, and one more for a share f of all phases, f = w / interval - k; so
nothing arrives in it with probability

    U(w) = (1 - f) p^k + f p^(k + 1)

and mistakes begin at the rate (U(m s) - U((m + 1) s)) / s, s being the sweep period. It is the simple
algorithm with sampling of W. Chen, S. Toueg and M. K. Aguilera, "On the Quality of Service of Failure
Detectors", IEEE Transactions on Computers 51(5), 2002, as derived in
``benchmarks/simulation/closed_form.py``.
"""

import math

_TINY = 1e-9  # of an interval or a period; 0.3 / 0.1 is not quite 3
_MOST = 10_000  # intervals


def false_downs(interval: float, down_time: float, period: float, loss: float) -> float:
    """Return mistakes per member and second; all durations in seconds, ``loss`` from 0 to 1."""
    sweeps = math.ceil(down_time / period - _TINY)
    silent = nothing_arrives(sweeps * period / interval, loss)
    longer = nothing_arrives((sweeps + 1) * period / interval, loss)
    return max(0.0, silent - longer) / period


def nothing_arrives(intervals: float, loss: float) -> float:
    """Return U of a window of so many intervals."""
    whole = math.floor(intervals + _TINY)
    rest = max(0.0, intervals - whole)
    return float((1 - rest) * loss**whole + rest * loss ** (whole + 1))


def least_down_time(interval: float, period: float, loss: float, rate: float) -> float:
    """Return the shortest service_down_time with at most ``rate`` mistakes.

    It is in whole intervals, and infinite if there is none. The rate is per member and second.
    """
    for intervals in range(2, _MOST):
        if false_downs(interval, intervals * interval, period, loss) <= rate:
            return intervals * interval
    return math.inf
