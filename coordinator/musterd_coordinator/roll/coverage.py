"""How many members beat to which shards, and who is not heard while some of those are away. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Shards = tuple[int, ...]
"""The shards, by number and in order, that some members beat to."""


class Coverage:
    """The number of members with the same shards, in all and by group.

    There are few such sets of shards, however many members there are. ``changes`` is another number
    after each change.
    """

    def __init__(self) -> None:
        self.all: Counter[Shards] = Counter()
        self.changes = 0
        self._of: dict[str, Counter[Shards]] = {}

    def of(self, group: str) -> Mapping[Shards, int]:
        """The same of one group."""
        return self._of.get(group, {})

    def add(self, group: str, shards: Iterable[int], count: int = 1) -> None:
        """``count`` members of ``group`` beat to ``shards``."""
        key = _key(shards)
        self.all[key] += count
        self._of.setdefault(group, Counter())[key] += count
        self.changes += 1

    def remove(self, group: str, shards: Iterable[int]) -> None:
        """One member of ``group`` does so no longer."""
        key, of_group = _key(shards), self._of[group]
        for counts in (self.all, of_group):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        if not of_group:
            del self._of[group]
        self.changes += 1


def uncovered(counts: Mapping[Shards, int], listening: Sequence[bool]) -> int:
    """How many members have no shard that is ``listening``, which is by shard."""
    return sum(
        count for shards, count in counts.items() if not any(listening[shard] for shard in shards)
    )


def redundancy_lost(counts: Mapping[Shards, int], listening: Sequence[bool]) -> list[int]:
    """Shards that are not ``listening``, while members of theirs are heard on another one."""
    heard = {shard for shards in counts if any(listening[at] for at in shards) for shard in shards}
    return sorted(shard for shard in heard if not listening[shard])


def oldest(
    placed: Iterable[Shards], listening: Sequence[bool], ages: Sequence[float | None]
) -> tuple[bool, int | None]:
    """Whether everybody has a shard that is ``listening``, and the best shard of the worst off.

    Everybody is ``placed`` on such shards; None for a shard: it was not heard yet. Of each member's
    shards the best one counts. ``ages`` are seconds since the shard's newest proof.
    """
    covered, worst, age = True, None, -1.0
    for shards in placed:
        heard = [shard for shard in shards if listening[shard]]
        covered &= bool(heard)
        known = [(known, shard) for shard in heard or shards if (known := ages[shard]) is not None]
        if not known:
            return False, None
        best, shard = min(known)
        if best > age:
            worst, age = shard, best
    return covered, worst


def _key(shards: Iterable[int]) -> Shards:
    return tuple(sorted({shard for shard in shards if shard >= 0}))
