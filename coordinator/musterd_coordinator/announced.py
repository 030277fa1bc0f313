"""What members announce besides their names, kept once however many announce the same."""

from musterd.model import Member

_Facts = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Announced:
    """Group, zone, owner and metadata by a small number; kept while somebody announces them."""

    def __init__(self) -> None:
        self._numbers: dict[_Facts, int] = {}
        self._samples: list[Member] = []
        self._count: list[int] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, member: Member) -> int | None:
        """The number of what ``member`` announces, if anybody does."""
        return self._numbers.get(_facts(member))

    def take(self, member: Member) -> int:
        """The number of what ``member`` announces; to be given back when it no longer does."""
        facts = _facts(member)
        number = self._numbers.get(facts)
        if number is None:
            number = self._numbers[facts] = self._new(member)
        self._count[number] += 1
        return number

    def give(self, number: int) -> None:
        """One member announces it no longer."""
        self._count[number] -= 1
        if not self._count[number]:
            del self._numbers[_facts(self._samples[number])]
            self._free.append(number)

    def member(self, number: int, name: str) -> Member:
        """The member of that name who announces it."""
        like = self._samples[number]
        return Member(like.group, name, like.zone, like.owner, like.metadata)

    def _new(self, member: Member) -> int:
        if self._free:
            number = self._free.pop()
            self._samples[number] = member
            return number
        self._samples.append(member)
        self._count.append(0)
        return len(self._samples) - 1


def _facts(member: Member) -> _Facts:
    metadata = tuple(sorted(member.metadata.items())) if member.metadata else ()
    return member.group, member.zone, member.owner, metadata
