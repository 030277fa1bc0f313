"""Whoever asks for all hosts again and again keeps who was called down, and for how long. Pure."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

_NOBODY: frozenset[str] = frozenset()


class Wronged(NamedTuple):
    """A `Wronged` counts living ``hosts`` that were called down, for ``longest`` seconds at most."""

    hosts: int
    longest: float


class Opinions:
    """An `Opinions` is what one who asks was told. ``answers`` counts how often."""

    def __init__(self) -> None:
        self.answers = 0
        self._since = dict[str, float]()  # who is down, and when that was first said
        self._longest = dict[str, float]()

    @property
    def down(self) -> AbstractSet[str]:
        """Return who is down by the last answer."""
        return self._since.keys()

    def begin(self) -> None:
        """Keep anew who is called down from now on."""
        self._longest.clear()
        self.answers = 0

    def take(self, at: float, down: Iterable[str]) -> None:
        """Take in that those who are ``down``, and no others, are called so ``at`` monotonic seconds."""
        called = set(down)
        for host in called | self._since.keys():
            since = self._since.setdefault(host, at)
            self._longest[host] = max(self._longest.get(host, 0.0), at - since)
        self._since = {host: self._since[host] for host in called}
        self.answers += 1

    def wronged(self, dead: AbstractSet[str] = _NOBODY) -> Wronged:
        """Count who was called down and is not ``dead``, since it began anew."""
        seconds = [longest for host, longest in self._longest.items() if host not in dead]
        return Wronged(len(seconds), max(seconds, default=0.0))
