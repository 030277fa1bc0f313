"""The module reads in batches from a store that knows keys and values and nothing else."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import anyio

from musterd.errors import StoreError
from musterd_coordinator.sweep.columns import Slots, Words
from musterd_coordinator.sweep.slots.slotmap import Block

PORTION = 500
"""The most keys whose values are asked for at once: a few milliseconds of the event loop."""

_T = TypeVar("_T")


class Bulk(Protocol):
    """A `Bulk` reads one shard in batches, ``lanes`` of them at a time.

    It raises nothing but StoreError. ``oversized`` are the keys of values that were larger than any
    of ours, and were removed.
    """

    lanes: int
    oversized: list[bytes]

    async def values(self, lane: int, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the values of up to PORTION different ``keys``; what is absent is not in it."""

    async def beats(self, lane: int, block: Block) -> tuple[Slots, Words, Slots]:
        """Return the slots of ``block`` with a record, the records, and slots of another size.

        The last have a value that has not the size of a record. Slots ascend, records are the words
        of the first; all belong to the caller.
        """

    def drop(self) -> None:
        """Drop the connections at once; the next call connects anew."""

    def close(self) -> None:
        """Drop the connections at once, for good: calls that go on fail."""


async def in_lanes(
    bulk: Bulk, jobs: Iterable[_T], work: Callable[[int, _T], Awaitable[None]]
) -> None:
    """Do ``work(lane, job)`` for all jobs, one at a time in each lane.

    A lane ends at its first StoreError while the others go on; then the first of them is raised.
    """
    left = iter(jobs)
    failures: list[StoreError] = []

    async def follow(lane: int) -> None:
        try:
            for job in left:
                await work(lane, job)
        except StoreError as error:
            failures.append(error)

    async with anyio.create_task_group() as group:
        for lane in range(bulk.lanes):
            group.start_soon(follow, lane)
    if failures:
        raise failures[0]


def portions(items: list[_T]) -> Iterator[list[_T]]:
    """Return ``items`` in lists of at most PORTION."""
    return (items[at : at + PORTION] for at in range(0, len(items), PORTION))
