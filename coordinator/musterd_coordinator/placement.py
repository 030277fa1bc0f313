"""Which shards members are placed on, and what to do about those who beat elsewhere."""

from collections.abc import Callable, Sequence

import structlog

from musterd.beat import member_id
from musterd.model import Member
from musterd_coordinator.detector import Detector
from musterd_coordinator.directory import Directory
from musterd_coordinator.members import Rows

log = structlog.get_logger(__name__)

Place = Callable[[int], Sequence[int]]
"""The shards, by number, that the member with a member_id is placed on."""


class Placement:
    """The placement of a namespace's members on the shards called ``names``, in their order."""

    def __init__(
        self,
        namespace: str,
        names: Sequence[str],
        place: Place,
        detector: Detector,
        directory: Directory,
    ) -> None:
        self._namespace = namespace
        self._names = names
        self._place = place
        self._detector = detector
        self._directory = directory

    def of(self, group: str, member: str) -> Sequence[int]:
        """The shards that a member is placed on."""
        if len(self._names) == 1:
            return (0,)
        return self._place(member_id(self._namespace, group, member))

    def of_all(self, members: Sequence[Member]) -> Sequence[Sequence[int]]:
        """The same of many."""
        if len(self._names) == 1:
            return [(0,)] * len(members)
        return [self.of(member.group, member.name) for member in members]

    def note(self, members: Sequence[Member], places: Sequence[Sequence[int]]) -> None:
        """New ``members`` (n), who are in the directory, are placed on the shards ``places`` (n)."""
        groups = [member.group for member in members]
        for group, shards in set(zip(groups, map(tuple, places), strict=True)):
            self._directory.groups[group].shards.update(shards)

    def mind(self, index: int, rows: Rows) -> None:
        """The members of ``rows`` beat to shard ``index``, whatever their placement says."""
        elsewhere = ~(self._detector.members.shard[:, rows] == index).any(axis=0)
        for row in rows[elsewhere].tolist():
            self._replace(row, index)

    def _replace(self, row: int, index: int) -> None:
        """A member that beats elsewhere than its placement says: its agent has other settings."""
        member, members = self._directory.member(row), self._detector.members
        log.warning(
            "member placed differently",
            member=str(member),
            shard=self._names[index],
            cure="give agents and coordinators the same list of servers and replicas",
        )
        others = [int(shard) for shard in members.shard[:, row] if shard >= 0]
        self._detector.move(row, [index, *others][: members.replicas])
        self._directory.groups[member.group].shards.add(index)
