"""Deletions go by this wall clock: one that jumps ahead deletes nothing. Pure."""

STEP = 60.0
"""Seconds by which a wall clock may leave the monotonic one before it was set."""

TRUSTED_AFTER = 86400.0
"""Seconds without being set after which a wall clock is believed."""


class DeletionClock:
    """A `DeletionClock` knows what time it is at least, by the wall clock and what was known before.

    ``newest`` is the latest instant, in seconds of some wall clock, that is known to be past; None:
    nothing is. From there on a monotonic clock counts, and the wall clock is believed only where
    it is not ahead of that, or went on for a day without being set.
    """

    def __init__(self, newest: float | None, wall: float, monotonic: float) -> None:
        self._anchor = wall if newest is None else newest, monotonic
        self._offset = wall - monotonic
        self._steady_since = monotonic

    def now(self, wall: float, monotonic: float) -> float:
        """Return the time, in seconds of the wall clock, that has certainly come."""
        if abs(wall - monotonic - self._offset) > STEP:
            self._offset, self._steady_since = wall - monotonic, monotonic
        at, then = self._anchor
        careful = min(wall, at + monotonic - then)
        if monotonic - self._steady_since >= TRUSTED_AFTER:
            self._anchor = wall, monotonic
            return wall
        return careful
