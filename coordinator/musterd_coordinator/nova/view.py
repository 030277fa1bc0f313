"""The view has verdicts by Nova's key, of the groups that Nova's services stand for: no I/O."""

from collections.abc import Mapping
from functools import lru_cache

from musterd.answers import MemberChange
from musterd.client.view import Groups, View
from musterd.model import Verdict
from musterd_coordinator.nova.values import key_of


class NovaView(View[bytes]):
    """A `NovaView` has the members of the groups in ``topics``, by Nova's key.

    ``topics`` has Nova's topic by group, and ``changes`` counts what befell members.
    """

    def __init__(self, topics: Mapping[str, str]) -> None:
        super().__init__(next(iter(topics)) if len(topics) == 1 else None)
        self.topics = topics
        self.changes = 0

    def keyed(self, groups: Groups) -> dict[bytes, Verdict]:
        """Return the members of ``groups`` that are served."""
        return {
            key_of(self.topics[group], member): _one_of(verdict)
            for group, members in groups.items()
            if group in self.topics
            for member, verdict in members.items()
        }

    def take(self, change: MemberChange) -> None:
        """Take in one change."""
        self.change(self._key(change), change)

    def change(self, key: bytes, change: MemberChange) -> None:
        """Take in one change of a whole version, if it is of a group that is served."""
        if change.group in self.topics:
            self.changes += 1
            super().change(key, change)

    def replace(self, members: dict[bytes, Verdict]) -> None:
        """Replace all members by ``members``."""
        self.changes += 1
        super().replace(members)

    def _keyed(self, groups: Groups) -> dict[bytes, Verdict]:
        return self.keyed(groups)

    def _key(self, change: MemberChange) -> bytes:
        return key_of(self.topics.get(change.group, ""), change.member)


@lru_cache(64)  # there are few different ones: a fleet shares them
def _one_of(verdict: Verdict) -> Verdict:
    return verdict
