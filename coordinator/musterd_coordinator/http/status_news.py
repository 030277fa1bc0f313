"""What a coordinator says of itself and its groups is told to readers when it says something else."""

from collections.abc import Sequence
from typing import NamedTuple

import anyio
import msgspec
from msgspec.structs import replace

from musterd.answers import GroupSummary
from musterd.incidents import Incident
from musterd.status import EventStatus, ShardStatus, StatusAnswer
from musterd_coordinator.http.flate import Chunk
from musterd_coordinator.http.turns import in_steps
from musterd_coordinator.service.contract import CoordinatorApi

GAP = 1.0
"""Seconds between two looks, at least."""

REST = 5.0
"""Seconds until the next look where neither members nor incidents changed."""

LATE = 3.0
"""Sweep periods after which the newest proof of a shard is a late one."""

_encode = msgspec.json.Encoder().encode


class Sight(NamedTuple):
    """A `Sight` is what a reader follows: one group or all, and whether it may see the status, too."""

    group: str | None
    sees_status: bool


class _Told(NamedTuple):
    look: int
    substance: EventStatus
    part: Chunk


class StatusNews:
    """A `StatusNews` looks at a desk's status for all readers, and tells each what it may see of it."""

    def __init__(self, desk: CoordinatorApi) -> None:
        self._desk = desk
        self._looking = anyio.Lock()
        self._look = 0  # the number of the newest
        self._at = -REST
        self._version = -1
        self._attention: Sequence[Incident] = ()
        self._status: StatusAnswer | None = None
        self._groups: list[GroupSummary] = []
        self._told: dict[Sight, _Told] = {}

    @property
    def due(self) -> float:
        """Return when the next look is due, by the loop's clock."""
        is_stale = self._version != self._desk.version or self.is_stale()
        return self._at + (GAP if is_stale else REST)

    def is_stale(self) -> bool:
        """Say whether other things need attention than at the newest look."""
        return self._attention is not self._desk.incidents().incidents

    async def of(self, sight: Sight) -> Chunk:
        """Return the event for ``sight``: the same one as long as it says the same but for ages."""
        if anyio.current_time() >= self.due:
            async with self._looking:
                if anyio.current_time() >= self.due:
                    await self._look_again()
        told = self._told.get(sight)
        if told is None or told.look != self._look:
            told = self._told[sight] = self._tell(sight, told)
        return told.part

    def clear(self) -> None:
        """Keep nothing, as nobody listens."""
        self._told.clear()
        self._at = -REST

    async def _look_again(self) -> None:
        self._at, self._version = anyio.current_time(), self._desk.version
        self._attention = self._desk.incidents().incidents
        self._status = await in_steps(self._desk.status_steps())
        self._groups = (await in_steps(self._desk.groups_steps())).groups
        self._look += 1

    def _tell(self, sight: Sight, before: _Told | None) -> _Told:
        groups, incidents = self._groups, self._attention
        if sight.group is not None:
            groups = [one for one in groups if one.group == sight.group]
            incidents = self._desk.incidents_of(sight.group)
        told = EventStatus(self._status if sight.sees_status else None, groups, incidents)
        substance = replace(told, status=None if told.status is None else steady(told.status))
        if before is not None and before.substance == substance:
            return before._replace(look=self._look)
        part = Chunk(b"event: status\ndata: %b\n\n" % _encode(told))
        return _Told(self._look, substance, part)


def steady(status: StatusAnswer) -> StatusAnswer:
    """Return ``status`` without what is another number at each look."""
    return replace(
        status,
        version=0,
        staleness=None,
        facts_age=None,
        unsaved=0,
        shards=[_steady(shard, status.sweep_period) for shard in status.shards],
        storms=[replace(storm, ends_in=0.0) for storm in status.storms],
        held=[replace(hold, until=None) for hold in status.held],
        peers=[replace(peer, age=0.0) for peer in status.peers],
    )


def _steady(shard: ShardStatus, period: float) -> ShardStatus:
    return replace(
        shard,
        staleness=float((shard.staleness or 0.0) > LATE * period),
        canary_seconds=None,
        sweep_seconds=float((shard.sweep_seconds or 0.0) > period),
        listening_time=0.0,
        beats=0,
        sweeps=0,
        rejected={reason: min(count, 1) for reason, count in shard.rejected.items()},
        challenges_put_back=0,
    )
