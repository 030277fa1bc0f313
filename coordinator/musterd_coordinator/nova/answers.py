"""What Nova is told of one of its services follows from verdicts, and from what services write: pure.

A member that is not down is a value, and one that is down, left or forced down is none. Where musterd
has no such member, what the service wrote of itself is its beat.
"""

from collections.abc import Callable, Mapping
from math import inf

from musterd.model import Verdict
from musterd.stores.table.items import Item
from musterd_coordinator.nova.beats import is_beat
from musterd_coordinator.nova.values import FLAGS, value_of
from musterd_coordinator.nova.writers import Writers

_CAS = 1
"""The cas number of each value: nobody changes one."""


class Answers:
    """`Answers` has an item for each service that is not down, by Nova's key.

    ``verdicts`` are those on members as they are now, ``silences`` the seconds for which some were
    not heard; others were heard of late. ``wall`` is the clock by which Nova's API shows times.
    ``tell`` is told the key of whatever service wrote of itself.
    """

    def __init__(
        self,
        verdicts: Callable[[], Mapping[bytes, Verdict]],
        writers: Writers,
        wall: Callable[[], float],
        tell: Callable[[bytes], None] = lambda key: None,
    ) -> None:
        self.silences: Mapping[bytes, float] = {}
        self.values = self.misses = 0  # told so far
        self.crowded_out = 0  # services that could not be taken as writers
        self._verdicts = verdicts
        self._writers = writers
        self._wall = wall
        self._tell = tell

    def has(self, key: bytes) -> bool:
        """Say whether ``key`` is that of a service."""
        return key in self._verdicts() or key in self._writers

    def item(self, key: bytes) -> Item | None:
        """Return what Nova is told of the service of ``key``: None, it is down."""
        silence = self._silence(key)
        if silence is None:
            self.misses += 1
            return None
        self.values += 1
        return Item(value_of(self._wall() - silence), FLAGS, _CAS, inf)

    def accept(self, key: bytes, flags: int, value: bytes) -> bool:
        """Take in what was written under ``key`` if it is a service's; say whether it is.

        Of a member musterd knows better, and so it is dropped.
        """
        beat = is_beat(flags, value)
        if beat:
            self._tell(key)
        if key in self._verdicts():
            self._writers.forget((key,))
            return True
        if not beat:
            return key in self._writers
        if self._writers.hear(key):
            return True
        self.crowded_out += 1
        return False

    def _silence(self, key: bytes) -> float | None:
        verdict = self._verdicts().get(key)
        if verdict is None:
            return self._writers.silence(key)
        return None if verdict.down else self.silences.get(key, 0.0)
