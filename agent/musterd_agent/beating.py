"""The module decides when a member beats and what each of its beats says.

It is pure: time and chance are arguments.
"""

from math import floor
from random import Random

from musterd.beat import Beat, Status

# Below this share of the push timeout another try could hardly end in time.
_TOO_LITTLE_LEFT = 0.25


def phase_of(number: int, interval: float) -> float:
    """Return the place in every interval of a run known by a 64-bit hash, in [0, interval) s.

    The hash is that of the member and of its run. A fleet spreads evenly even if all its clocks
    start together, so that ticks need no jitter of their own; and two agents with one name, even on
    one host, do not beat in the same moment, where the coordinator could not see both.
    """
    return (number >> 12) / 2**52 * interval


def next_tick(after: float, phase: float, interval: float) -> float:
    """Return the first of the instants ``phase + k * interval`` that is later than ``after``.

    Ticks missed before ``after`` are not made up for.
    """
    turn = floor((after - phase) / interval) + 1
    tick = phase + turn * interval
    return tick if tick > after else phase + (turn + 1) * interval


def retry_pause(left: float, timeout: float, rng: Random) -> float | None:
    """Return the seconds until the same beat is tried again, or None: leave it to the next tick.

    ``left`` is what remains of the push ``timeout``; both in seconds. Full jitter (Brooker,
    "Exponential backoff and jitter", AWS Architecture Blog, 2015), over half of what is left, so
    that the agents which a restarted server cut off together do not come back together.
    """
    return None if left < _TOO_LITTLE_LEFT * timeout else rng.uniform(0.0, left / 2)


class Beating:
    """A ``Beating`` is one run of one member: its schedule, and the contents of its next beat.

    ``push_timeout`` is what the agent really allows one push, in seconds; 0 says nothing.
    """

    def __init__(
        self, member_id: int, interval: float, incarnation: int, push_timeout: float = 0.0
    ) -> None:
        self.interval = interval
        self.push_timeout = push_timeout
        self.status = Status.OK
        self.sequence = 0
        self._member_id = member_id
        self._incarnation = incarnation
        self._phase = phase_of(member_id ^ incarnation, interval)

    def tick_after(self, now: float, due: float) -> float:
        """Return the tick that follows the one which was ``due`` and was served at ``now``.

        It is never the same one again, even where a timer fires a little before its time.
        """
        return next_tick(max(now, due), self._phase, self.interval)

    def beat(self, *, now: float, due: float, wall: float) -> Beat:
        """Return the next beat.

        ``now`` and ``due`` are of one monotonic clock, ``wall`` is Unix time.
        """
        self.sequence += 1
        return Beat(
            member_id=self._member_id,
            incarnation=self._incarnation,
            sequence=self.sequence,
            interval_ms=max(1, round(self.interval * 1000)),
            status=self.status,
            sent_ms=round(wall * 1000),
            lag_ms=max(0, round((now - due) * 1000)),
            push_timeout_ms=round(self.push_timeout * 1000),
        )
