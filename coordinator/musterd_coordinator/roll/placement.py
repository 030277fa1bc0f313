"""Which shards members are placed on, and what to do about those who beat elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog
from numpy.typing import NDArray

from musterd.beat import member_id
from musterd.model import Member
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.batch import MemberBatch
from musterd_coordinator.roll.coverage import Coverage
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.wording import examples

log = structlog.get_logger(__name__)

_NAMED = 3  # members in the log, of those who beat elsewhere

Place = Callable[[int], Sequence[int]]
"""The shards, by number, that the member with a member_id is placed on."""


@dataclass(slots=True)
class Strays:
    """Members that beat to a shard elsewhere than was thought, since that was told last."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """One more."""
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(str(member))


class Placement:
    """The placement of a namespace's members on the shards called ``names``, in their order.

    ``coverage`` counts who is placed where.
    """

    def __init__(
        self,
        namespace: str,
        names: Sequence[str],
        place: Place,
        detector: Detector,
        directory: NameIndex,
    ) -> None:
        self._namespace = namespace
        self._names = names
        self._place = place
        self._detector = detector
        self._directory = directory
        self._strays = [Strays() for _ in names]
        self.coverage = Coverage()

    def of(self, group: str, member: str) -> Sequence[int]:
        """The shards that a member is placed on."""
        if len(self._names) == 1:
            return (0,)
        return self._place(member_id(self._namespace, group, member))

    def of_all(self, members: MemberBatch) -> NDArray[np.int16]:
        """The shards that each of ``members`` (n) is placed on: (n, replicas)."""
        if len(self._names) == 1:
            return np.zeros((len(members.names), 1), np.int16)
        groups = [sample.group for sample in members.samples]
        named = zip(members.kinds.tolist(), members.names, strict=True)
        return np.array([self.of(groups[kind], name) for kind, name in named], np.int16)

    def note(self, members: MemberBatch, places: NDArray[np.int16]) -> None:
        """New ``members`` (n), who are in the directory, are placed on the shards ``places``."""
        places = np.sort(places, axis=1)
        alike = members.kinds
        for shards in places.T:
            _, alike = np.unique(alike * len(self._names) + shards, return_inverse=True)
        _, firsts, counts = np.unique(alike, return_index=True, return_counts=True)
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
            group = members.samples[members.kinds.item(first)].group
            self.coverage.add(group, places[first].tolist(), count)

    def forget(self, row: int) -> None:
        """The member of ``row`` is about to be removed."""
        shards = self._detector.members.shard[:, row].tolist()
        self.coverage.remove(self._directory.member(row).group, shards)

    def mind(self, index: int, rows: Rows) -> None:
        """The members of ``rows`` beat to shard ``index``, whatever their placement says."""
        elsewhere = ~(self._detector.members.shard[:, rows] == index).any(axis=0)
        for row in rows[elsewhere].tolist():
            self._replace(row, index)
            self._strays[index].add(self._directory.member(row))

    def tell(self, index: int) -> None:
        """A line of the log, if any beat to shard ``index`` elsewhere than was thought: all of a sweep."""
        strays, self._strays[index] = self._strays[index], Strays()
        if strays.count:
            log.warning(
                "members placed differently",
                shard=self._names[index],
                count=strays.count,
                members=examples(strays.named, strays.count),
                cure="give agents and coordinators the same list of servers and replicas",
            )

    def _replace(self, row: int, index: int) -> None:
        """A member that beats elsewhere than its placement says: its agent has other settings."""
        member, members = self._directory.member(row), self._detector.members
        others = [int(shard) for shard in members.shard[:, row] if shard >= 0]
        self.forget(row)
        self._detector.move(row, [index, *others][: members.replicas])
        self.coverage.add(member.group, members.shard[:, row].tolist())
