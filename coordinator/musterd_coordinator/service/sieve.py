"""A registry saves what it can keep of a batch: one row that it refuses holds up no others.

A batch that is *refused* is halved until what is to blame stands alone; that is left out. A
registry that is *away* refuses nothing: then nothing is saved, and all is to be saved again.
"""

from collections.abc import Iterator, Sequence

from musterd.errors import RegistryRefused
from musterd_coordinator.registry.base import Registry, Row
from musterd_coordinator.registry.quarantine import RowQuarantine

Item = tuple[bool, Row]  # is it a line of history?


class RefusalFilter:
    """A `RefusalFilter` records batches in ``registry``; ``quarantine`` has the names refused.

    A member that was refused once is saved apart from then on, so that it splits no other batch.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.quarantine = RowQuarantine("registry row refused")

    async def record(
        self, members: Sequence[Row], history: Sequence[Row], known: Sequence[int]
    ) -> None:
        """Record all that the registry can keep. Raises RegistryError, but never RegistryRefused."""
        if not len(self.quarantine):
            try:
                await self._registry.record(members, history, known)
            except RegistryRefused:
                await self._record(_items(members, history), known)
            return
        items = _items(members, history)
        await self._record([each for each in items if _name(each) not in self.quarantine], known)
        for each in items:
            if _name(each) in self.quarantine:
                await self._record([each], known)

    async def _record(self, items: Sequence[Item], known: Sequence[int]) -> None:
        try:
            members = [row for is_line, row in items if not is_line]
            await self._registry.record(members, [row for is_line, row in items if is_line], known)
        except RegistryRefused as refusal:
            if len(items) == 1:
                self.quarantine.add(_name(items[0]), str(refusal))
            for half in _halves(items):
                await self._record(half, known)


def _items(members: Sequence[Row], history: Sequence[Row]) -> list[Item]:
    return [*((False, row) for row in members), *((True, row) for row in history)]


def _halves(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    if len(items) > 1:
        middle = len(items) // 2
        yield items[:middle]
        yield items[middle:]


def _name(item: Item) -> str:
    is_line, row = item
    return f"{row[2]}/{row[3]}" if is_line else f"{row[0]}/{row[1]}"
