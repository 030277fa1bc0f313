"""The module tells how good the knowledge behind an answer is.

Is every member heard, and as of when?
"""

from musterd_coordinator.roll.coverage import Shards, oldest
from musterd_coordinator.roll.parts import RollParts


class Freshness:
    """A `Freshness` knows this of all members on a roll, and of each of its groups.

    Which shard decides changes with sweeps and placements alone, and is asked with every question.
    """

    def __init__(self, parts: RollParts) -> None:
        self._parts = parts
        self._as_of: tuple[int, ...] = ()
        self._known: dict[str | None, tuple[bool, int | None]] = {}

    def assess(self, group: str | None) -> tuple[bool, float | None]:
        """Say whether every member concerned has a listening shard, and how old the proof is.

        The age, in seconds, is that of the newest proven sweep for the member that is worst off.
        None: the shards of some member have not been proven yet.
        """
        shards = self._parts.shards
        as_of = (self._parts.placement.coverage.changes, *[shard.sweeps for shard in shards])
        if as_of != self._as_of:
            self._as_of, self._known = as_of, {}
        known = self._known.get(group)
        if known is None:
            known = self._known[group] = self._look(group)
        listening, shard = known
        age = None if shard is None else shards[shard].staleness(self._parts.clocks)
        return listening, None if age is None else round(age, 3)

    def _look(self, group: str | None) -> tuple[bool, int | None]:
        shards, coverage = self._parts.shards, self._parts.placement.coverage
        counts = coverage.all if group is None else coverage.of_group(group)
        placed: list[Shards] = list(filter(None, counts))  # but whoever is on no shard at all
        if not placed:
            placed = [(shard,) for shard in range(len(shards))]
        ages = [shard.staleness(self._parts.clocks) for shard in shards]
        return oldest(placed, [shard.listening for shard in shards], ages)
