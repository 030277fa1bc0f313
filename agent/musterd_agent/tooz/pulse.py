"""A program that stops calling ``heartbeat()`` is given up, though its thread beats on."""


class Pulse:
    """A ``Pulse`` lapses when nobody called :meth:`felt` for ``timeout`` seconds.

    Instants are of one monotonic clock.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self.timeout = timeout
        self._felt_at = now

    def felt(self, now: float) -> None:
        """Note that the program is alive."""
        self._felt_at = max(self._felt_at, now)

    def left(self, now: float) -> float:
        """Return the seconds until it lapses; none or fewer: it has."""
        return self._felt_at + self.timeout - now
