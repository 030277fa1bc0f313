"""The module has the closed forms: what the simulation must find under independent loss.

Chen, Toueg and Aguilera (IEEE Transactions on Computers 51(5), 2002) analyse NFD-S, where
freshness points are tied to the sending times: with interval eta, shift delta, loss p and delay D,
beat i expires at sigma_i + eta + delta, and (their theorem on the QoS of NFD-S)

    E[T_MR] = eta / p_s,   E[T_M] = integral_0^eta u(x) dx / p_s,
    P_A = 1 - 1/eta integral_0^eta u(x) dx

where u(x) is the probability that no beat that would be fresh has arrived x after a freshness
point, and p_s = q_0 u(0) the probability of a mistake's beginning at one.

musterd cannot know sending times, because it compares no clocks. It is their *simple algorithm*
instead: a timer is started by each new beat's arrival, and beats slower than a cutoff (the push
timeout c < eta) are as good as lost. It looks only every pi seconds, so for the simple algorithm
and for the sampling the forms change, but not the idea. A beat that arrives at time a is seen by
the sweep at pi ceil(a / pi) and keeps its member up for m = ceil(down_time / pi) sweeps from then
on. So the member is down after the sweep at time t if and only if nothing arrived in
(t - m pi, t]. Beats are lost and delayed independently, so with sweeps at x after a sending time,

    U_n(x) = P(nothing arrived in the n sweep periods up to x)
           = prod_k 1 - (1 - p) [F_c(x + k eta) - F_c(x + k eta - n pi)]

over all earlier beats k, where F_c(y) = P(D <= min(y, c)), 0 for y < 0. A mistake begins at a
sweep with probability U_m(x) - U_(m+1)(x): nothing in the last m periods, something in the one
before. Phases of members against the sweeps are uniform, so with <f> = 1/eta integral_0^eta f dx

    E[T_MR] = 1 / lambda_M = pi / <U_m - U_(m+1)>
    P_A     = 1 - <U_m>
    E[T_M]  = (1 - P_A) E[T_MR]

exactly, for every pi and every D. For a constant delay d the simple algorithm and NFD-S with
delta = down_time + d - eta are the same detector, and for pi -> 0 these forms become theirs.

Detection: a crash finds the last beat sent A ~ U[0, eta) ago; G ~ geometric many of the newest
beats were lost, with q = 1 - (1 - p) F(c) for each; the one before them took D (given D <= c),
and waited V ~ U[0, pi) for its sweep. So

    T_D = max(0, m pi + V + D - A - G eta),   T_D < (m + 1) pi + c.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from benchmarks.simulation.distributions import Cdf
from benchmarks.simulation.scenario import Scenario
from musterd_coordinator.judge.members import Seconds

_POINTS = 50_000  # of the midpoint rule


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """A `ClosedForm` is values per member, in seconds, and in mistakes per second."""

    mistake_rate: float
    mistake_duration: float
    accuracy: float
    detection_time: float

    @property
    def recurrence(self) -> float:
        """Return E[T_MR]."""
        return 1 / self.mistake_rate if self.mistake_rate else float("inf")


def closed_form(scenario: Scenario) -> ClosedForm:
    """Return the closed form of musterd's detector, under independent loss alone."""
    period, sweeps = scenario.sweep_period, ceil(scenario.down_time / scenario.sweep_period)
    x = _midpoints(scenario.interval, _POINTS)
    silent = _nothing_arrived(scenario, x, sweeps * period)
    longer = _nothing_arrived(scenario, x, (sweeps + 1) * period)
    mistaken = float(silent.mean())
    rate = float((silent - longer).mean()) / period
    duration = mistaken / rate if rate else float("nan")
    return ClosedForm(rate, duration, 1 - mistaken, _detection_time(scenario, sweeps * period))


def nfd_s(scenario: Scenario, delta: float) -> ClosedForm:
    """Return the form of Chen, Toueg and Aguilera's NFD-S with shift ``delta``, for the same beats.

    Their p_j(x) is the probability that beat i + j is not there x after freshness point i, which is
    delta after the sending of beat i. T_D is their bound: delta + eta.
    """
    eta, loss = scenario.interval, scenario.loss

    def absent(j: int, x: Seconds) -> Seconds:
        return 1 - (1 - loss) * scenario.delay.cdf(delta + x - j * eta)

    def suspected(x: Seconds) -> Seconds:
        result: Seconds = np.prod([absent(j, x) for j in range(ceil(delta / eta) + 1)], axis=0)
        return result

    in_time = (1 - loss) * float(scenario.delay.cdf(np.array([delta + eta]))[0])
    begins = in_time * float(suspected(np.zeros(1))[0])
    mistaken = float(suspected(_midpoints(eta, _POINTS)).mean())
    return ClosedForm(begins / eta, mistaken * eta / begins, 1 - mistaken, delta + eta)


def _nothing_arrived(scenario: Scenario, x: Seconds, window: float) -> Seconds:
    """Return U_n at ``x``, for a window of n periods."""
    arrived_by = _cut_off(scenario)
    result = np.ones_like(x)
    for k in range(ceil((window + scenario.push_timeout) / scenario.interval) + 1):
        age = x + k * scenario.interval
        result *= 1 - (1 - scenario.loss) * (arrived_by(age) - arrived_by(age - window))
    return result


def _cut_off(scenario: Scenario) -> Cdf:
    return lambda y: scenario.delay.cdf(np.minimum(y, scenario.push_timeout))


def _detection_time(scenario: Scenario, silence: float) -> float:
    """Return E[T_D]: a sum over G, where max(0, .) matters by the midpoint rule over A, V and D."""
    eta, period, cutoff = scenario.interval, scenario.sweep_period, scenario.push_timeout
    delay = _quantiles(scenario, 200)
    through = (1 - scenario.loss) * float(scenario.delay.cdf(np.array([cutoff]))[0])
    wait_less_age = (_midpoints(period, 50)[:, None] - _midpoints(eta, 200)[None, :]).ravel()
    average = silence + period / 2 + float(delay.mean()) - eta / 2
    total, losses = 0.0, 0
    while (losses - 1) * eta < silence + period + cutoff:
        share = through * (1 - through) ** losses
        if silence - (losses + 1) * eta >= 0:
            total += share * (average - losses * eta)
        else:
            left = silence - losses * eta + delay[:, None] + wait_less_age[None, :]
            total += share * float(np.maximum(left, 0.0).mean())
        losses += 1
    return total


def _quantiles(scenario: Scenario, count: int) -> Seconds:
    """Return quantiles of a delay that is not cut off, at the middles of ``count`` equal parts."""
    grid = np.linspace(0.0, scenario.push_timeout, _POINTS)
    cdf = scenario.delay.cdf(grid)
    return grid[np.searchsorted(cdf, _midpoints(float(cdf[-1]), count))]


def _midpoints(length: float, count: int) -> Seconds:
    return (np.arange(count, dtype=np.float64) + 0.5) * (length / count)
