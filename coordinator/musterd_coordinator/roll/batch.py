"""The module holds many members at once: names, and what they announce once for all alike."""

from collections.abc import Hashable, Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musterd.model import Member

Facts = tuple[str, str, str, tuple[tuple[str, str], ...]]
"""Group, zone, owner and metadata: all that a member announces besides its name."""

Places = NDArray[np.int64]


class MemberBatch(NamedTuple):
    """A `MemberBatch` is n members.

    In a fleet of a million, a few hundred announce something of their own.
    """

    names: Sequence[str]  # (n)
    kinds: Places  # (n): which of the samples announces the same
    samples: Sequence[Member]  # some may be the same, or no member's

    def member(self, at: int) -> Member:
        """Return the member at that place."""
        like = self.samples[self.kinds.item(at)]
        return Member(like.group, self.names[at], like.zone, like.owner, like.metadata)

    def where(self, chosen: Places) -> "MemberBatch":
        """Return the members at those places."""
        names = [self.names[at] for at in chosen.tolist()]
        return MemberBatch(names, self.kinds[chosen], self.samples)

    def counts(self) -> list[int]:
        """Return how many members announce what each of the samples does."""
        counts: list[int] = np.bincount(self.kinds, minlength=len(self.samples)).tolist()
        return counts

    def by_group(self) -> Iterator[tuple[str, Places]]:
        """Yield each group that has a member here, and the places of its members."""
        if not self.samples:
            return
        numbers: dict[str, int] = {}
        of_sample = [numbers.setdefault(each.group, len(numbers)) for each in self.samples]
        groups = np.array(of_sample, np.int64)[self.kinds]
        order = np.argsort(groups, kind="stable")
        ends = np.cumsum(np.bincount(groups, minlength=len(numbers)))
        for name, places in zip(numbers, np.split(order, ends[:-1]), strict=True):
            if len(places):
                yield name, places


def alike(members: Sequence[Member]) -> MemberBatch:
    """Return the same ``members`` as a batch, by what they announce."""
    facts = _facts_of_all(members)
    samples = dict(zip(facts, members, strict=True))
    kinds = {each: kind for kind, each in enumerate(samples)}
    return MemberBatch(
        list(map(attrgetter("name"), members)),
        np.fromiter(map(kinds.__getitem__, facts), np.int64, len(facts)),
        list(samples.values()),
    )


def in_portions(
    seated: Sequence[tuple[int, Member]], most: int, kinds: int
) -> Iterator[Sequence[tuple[int, Member]]]:
    """Yield the same members with their slots, at most ``most`` of at most ``kinds`` kinds at once.

    What members share is done once for all of them: it is the kinds that take time.
    """
    begin, seen = 0, set[Facts]()
    for at, (_, member) in enumerate(seated):
        facts = facts_of(member)
        if at - begin >= most or (len(seen) >= kinds and facts not in seen):
            yield seated[begin:at]
            begin, seen = at, set()
        seen.add(facts)
    if begin < len(seated):
        yield seated[begin:]


def facts_of(member: Member) -> Facts:
    """Return what ``member`` announces besides its name."""
    metadata = tuple(sorted(member.metadata.items())) if member.metadata else ()
    return member.group, member.zone, member.owner, metadata


def _facts_of_all(members: Sequence[Member]) -> Sequence[Hashable]:
    if any(map(attrgetter("metadata"), members)):
        return list(map(facts_of, members))
    return list(map(attrgetter("group", "zone", "owner"), members))
