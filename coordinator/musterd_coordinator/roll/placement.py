"""The module knows which shards members are placed on, and what to do if they beat elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from musterd.beat import member_id
from musterd.model import Member
from musterd_coordinator.judge.detector import Detector
from musterd_coordinator.judge.members import NO_SHARD, Rows
from musterd_coordinator.roll.batch import MemberBatch
from musterd_coordinator.roll.coverage import Coverage
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.wording import examples

log = structlog.get_logger(__name__)

_NAMED = 3  # members in the log, of those that beat elsewhere

Place = Callable[[int], Sequence[int]]
"""The shards, by number, that the member with a member_id is placed on."""


def _nobody(group: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Places:
    """These are rules: ``place`` says where members are, each on at most so many shards (``replicas``).

    Some shards are ``listing``: they say themselves who is a member in them, and what operators ordered
    of it. Where members of groups that are ``listed`` are, only their seats tell.
    """

    place: Place
    replicas: int = 1
    listing: Sequence[int] = ()
    listed: Callable[[str], bool] = _nobody


@dataclass(slots=True)
class Strays:
    """`Strays` are members that beat elsewhere than was thought, since that was told last."""

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, member: Member) -> None:
        """Count one more."""
        self.count += 1
        if len(self.named) < _NAMED:
            self.named.append(str(member))


class Placement:
    """A `Placement` places a namespace's members on the shards called ``names``, in their order.

    ``coverage`` counts how many are placed where.
    """

    def __init__(
        self,
        namespace: str,
        names: Sequence[str],
        places: Places,
        detector: Detector,
        directory: NameIndex,
    ) -> None:
        self._namespace = namespace
        self._names = list(names)
        self.places = places
        self._detector = detector
        self._directory = directory
        self._strays = [Strays() for _ in names]
        self.coverage = Coverage()

    def add_listing(self, name: str) -> None:
        """Begin with one shard more, which says itself who is a member in it."""
        self.places = replace(self.places, listing=(*self.places.listing, len(self._names)))
        self._names.append(name)
        self._strays.append(Strays())

    def shards_of(self, group: str, member: str) -> Sequence[int]:
        """Return the shards that a member is placed on; none where only its seat would tell."""
        if self.places.listed(group):
            return ()
        if len(self._names) == 1:
            return (0,)
        return self.places.place(member_id(self._namespace, group, member))

    def shards_of_all(self, members: MemberBatch) -> NDArray[np.int16]:
        """Return the shards that each of ``members`` (n) is placed on: (n, replicas)."""
        groups = [sample.group for sample in members.samples]
        if len(self._names) == 1 and not any(map(self.places.listed, groups)):
            return np.zeros((len(members.names), 1), np.int16)
        places = np.full((len(members.names), self.places.replicas), NO_SHARD, np.int16)
        named = zip(members.kinds.tolist(), members.names, strict=True)
        for row, (kind, name) in zip(places, named, strict=True):
            shards = self.shards_of(groups[kind], name)
            row[: len(shards)] = shards
        return places

    def add(self, members: MemberBatch, places: NDArray[np.int16]) -> None:
        """Add new ``members`` (n), which are placed on the shards ``places``.

        They are in the directory.
        """
        places = np.sort(places, axis=1)
        alike = members.kinds
        for shards in places.T:
            _, alike = np.unique(alike * len(self._names) + shards, return_inverse=True)
        _, firsts, counts = np.unique(alike, return_index=True, return_counts=True)
        for first, count in zip(firsts.tolist(), counts.tolist(), strict=True):
            group = members.samples[members.kinds.item(first)].group
            self.coverage.add(group, places[first].tolist(), count)

    def remove(self, row: int) -> None:
        """Count the member of ``row`` no longer, as it is about to be removed."""
        shards = self._detector.members.shard[:, row].tolist()
        self.coverage.remove(self._directory.member(row).group, shards)

    def reconcile(self, index: int, rows: Rows) -> None:
        """Place members of ``rows`` on shard ``index``: they beat to it, whatever was thought."""
        elsewhere = ~(self._detector.members.shard[:, rows] == index).any(axis=0)
        for row in rows[elsewhere].tolist():
            if self._replace(row, index):
                self._strays[index].add(self._directory.member(row))

    def unseat(self, row: int, index: int) -> None:
        """Note that the member of ``row`` lost its seat on shard ``index``.

        Where seats tell the place of members, it has none then, and nobody listens for it.
        """
        member, members = self._directory.member(row), self._detector.members
        if not self.places.listed(member.group):
            return
        shards = [
            shard for shard in members.shard[:, row].tolist() if shard not in (index, NO_SHARD)
        ]
        self.remove(row)
        self._detector.move(row, shards)
        self.coverage.add(member.group, shards)

    def log_strays(self, index: int) -> None:
        """Log in one line any members that beat to shard ``index`` unexpectedly in a sweep."""
        strays, self._strays[index] = self._strays[index], Strays()
        if strays.count:
            log.warning(
                "members placed differently",
                shard=self._names[index],
                count=strays.count,
                members=examples(strays.named, strays.count),
                cure="give agents and coordinators the same list of servers and replicas",
            )

    def _replace(self, row: int, index: int) -> bool:
        """Place a member anew that beats elsewhere than its placement says.

        Say whether it had a place: then its agent has other settings.
        """
        member, members = self._directory.member(row), self._detector.members
        others = [int(shard) for shard in members.shard[:, row] if shard >= 0]
        self.remove(row)
        self._detector.move(row, [index, *others][: members.replicas])
        self.coverage.add(member.group, members.shard[:, row].tolist())
        return bool(others)
