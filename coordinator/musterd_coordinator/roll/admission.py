"""The module limits how many members a coordinator takes in.

Whoever can write to a store can invent any number of names. Members that have a seat go on whatever
comes. A newcomer that finds no room waits, and takes a seat once there is some.
"""

from collections.abc import Callable, Sequence
from time import time

import structlog

from musterd.model import Member
from musterd_coordinator.roll.names import NameIndex

log = structlog.get_logger(__name__)

MEMBERS_LIMIT = 2_000_000
GROUPS_LIMIT = 20_000
ZONES_LIMIT = 100_000
WAITING_LIMIT = 10_000  # members that are remembered; the others are met when their keys change

Seated = tuple[int, Member]


class Admission:
    """An `Admission` decides which newcomers take a seat in ``directory``, and which wait for one.

    The directory has at most so many ``members``, ``groups`` and ``zones``, and of the newcomers
    that wait so many (``waiting``) are remembered. ``waiting_since`` is when one first had to wait,
    in seconds of the wall clock.
    """

    def __init__(
        self,
        directory: NameIndex,
        members: int = MEMBERS_LIMIT,
        wall: Callable[[], float] = time,
        *,
        groups: int = GROUPS_LIMIT,
        zones: int = ZONES_LIMIT,
        waiting: int = WAITING_LIMIT,
    ) -> None:
        self._directory = directory
        self._limit = members
        self._groups, self._zones, self._most_waiting = groups, zones, waiting
        self._waiting: dict[tuple[int, int], Member] = {}  # by shard and slot
        self._passed_over = 0
        self._wall = wall
        self.waiting_since: float | None = None

    @property
    def not_seated(self) -> int:
        """Return how many newcomers found no room, as far as is known."""
        return len(self._waiting) + self._passed_over

    def admit(self, shard: int, newcomers: Sequence[Seated]) -> Sequence[Seated]:
        """Return those of ``newcomers``, all of different names, that take their seats."""
        directory, count = self._directory, len(newcomers)
        if (
            len(directory) + count <= self._limit
            and len(directory.groups) + count <= self._groups
            and len(directory.zones) + count <= self._zones
        ):
            return newcomers
        return self._first_of(shard, newcomers)

    def discard(self, shard: int, slot: int) -> None:
        """Forget the member that waited in ``slot`` of ``shard``: it is gone, or is met anew."""
        if self._waiting:
            self._waiting.pop((shard, slot), None)

    def pop(self, shard: int, most: int) -> Sequence[Seated]:
        """Take up to ``most`` of those that wait in ``shard``, if there is room."""
        if not self._waiting or not self._has_room:
            return ()
        room = min(most, self._limit - len(self._directory))
        slots = [at for at in self._waiting if at[0] == shard][:room]
        some = [(at[1], self._waiting.pop(at)) for at in slots]
        if not self.not_seated:
            log.info("members seated", limit=self._limit, note="all who waited for room")
        return some

    @property
    def _has_room(self) -> bool:
        directory = self._directory
        return (
            len(directory) < self._limit
            and len(directory.groups) < self._groups
            and len(directory.zones) < self._zones
        )

    def _first_of(self, shard: int, newcomers: Sequence[Seated]) -> Sequence[Seated]:
        groups, zones = set[str](), set[tuple[str, str]]()  # that begin with the admitted
        admitted: list[Seated] = []
        for slot, member in newcomers:
            new_group, new_zone = self._new(member, groups, zones)
            if (
                len(self._directory) + len(admitted) < self._limit
                and len(self._directory.groups) + len(groups) + new_group <= self._groups
                and len(self._directory.zones) + len(zones) + new_zone <= self._zones
            ):
                groups.update([member.group] * new_group)
                zones.update([(member.group, member.zone)] * new_zone)
                admitted.append((slot, member))
            else:
                self._let_wait(shard, slot, member)
        return admitted

    def _new(
        self, member: Member, groups: set[str], zones: set[tuple[str, str]]
    ) -> tuple[bool, bool]:
        """Say whether ``member`` is the first in its group, and in its zone."""
        zone = member.group, member.zone
        no_group = member.group not in groups and member.group not in self._directory.groups
        no_zone = zone not in zones and self._directory.zones.number(zone) is None
        return no_group, no_zone

    def _let_wait(self, shard: int, slot: int, member: Member) -> None:
        if not self.not_seated:
            self.waiting_since = self._wall()
            log.warning(
                "members not seated",
                first=str(member),
                members=len(self._directory),
                members_limit=self._limit,
                groups_limit=self._groups,
                zones_limit=self._zones,
                note="newcomers wait; those who are seated go on",
            )
        if len(self._waiting) < self._most_waiting:
            self._waiting[shard, slot] = member
        else:
            self._passed_over += 1
