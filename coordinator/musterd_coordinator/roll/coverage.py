"""The module counts the members that beat to each set of shards, and those not heard. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Shards = tuple[int, ...]
"""The shards, by number and in order, that some members beat to."""


class Coverage:
    """A `Coverage` counts the members with the same shards, in all and by group.

    There are few such sets of shards, however many members there are. ``changes`` is another number
    after each change.
    """

    def __init__(self) -> None:
        self.all: Counter[Shards] = Counter()
        self.changes = 0
        self._of: dict[str, Counter[Shards]] = {}

    def of_group(self, group: str) -> Mapping[Shards, int]:
        """Return the same counts for one group."""
        return self._of.get(group, {})

    def add(self, group: str, shards: Iterable[int], count: int = 1) -> None:
        """Count ``count`` more members of ``group`` that beat to ``shards``."""
        key = _key(shards)
        self.all[key] += count
        self._of.setdefault(group, Counter())[key] += count
        self.changes += 1

    def remove(self, group: str, shards: Iterable[int]) -> None:
        """Count one member of ``group`` less that beats to ``shards``."""
        key, of_group = _key(shards), self._of[group]
        for counts in (self.all, of_group):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
        if not of_group:
            del self._of[group]
        self.changes += 1


def uncovered(counts: Mapping[Shards, int], listening: Sequence[bool]) -> int:
    """Return how many members have no shard that is ``listening``, which is by shard.

    Whoever is on no shard at all waits for none.
    """
    return sum(
        count
        for shards, count in counts.items()
        if shards and not any(listening[shard] for shard in shards)
    )


def redundancy_lost(counts: Mapping[Shards, int], listening: Sequence[bool]) -> list[int]:
    """Return the shards that are not ``listening`` but have members heard on another one."""
    heard = {shard for shards in counts if any(listening[at] for at in shards) for shard in shards}
    return sorted(shard for shard in heard if not listening[shard])


def oldest(
    placed: Iterable[Shards], listening: Sequence[bool], ages: Sequence[float | None]
) -> tuple[bool, int | None]:
    """Say whether each member has a shard that is ``listening``; return the worst off's best shard.

    All members are ``placed`` on such sets of shards. ``ages`` are seconds since each shard's
    newest proof, None where it was not heard yet. Of each member's shards the best one counts. None
    in place of it: no shard of some member was heard yet.
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
