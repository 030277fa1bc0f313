"""The module sends what is due of many members to a database together, on one connection.

If each member of an agent process had to wait for the others' round trips, a process of hundreds
could not beat to a database some milliseconds away. And each caller waits under a deadline of its
own: if the shared work were cut off with the first caller that runs out of time, then after a stall
no caller would ever get through again. So the talking is done by a task that belongs to no caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from musterd.errors import ShardRefused, ShardUnavailable, StoreError
from musterd.stores.bounds import CLOSED
from musterd.stores.link import RefusesAll, again

MOST_BEATS = 500  # in one round trip, which is one transaction
MOST_NEWCOMERS = 32

BeatRow = tuple[Any, ...]  # the arguments of the beat: slot, member_id as a bigint, record, …
Newcomer = tuple[Any, ...]  # the arguments of the announcement; member_id comes first
Seated = tuple[Any, ...]  # what the announcement returns; the slot comes first
Do = Callable[[Sequence[Any]], Awaitable[Sequence[Any]]]
"""Does what each of these arguments asks for; returns as many answers, in the same order."""


class _Waiting(NamedTuple):
    row: Any
    answer: "asyncio.Future[Any]"

    def fail(self, error: StoreError) -> None:
        if not self.answer.done():
            self.answer.set_exception(type(error)(error.shard, error.reason))
            self.answer.exception()  # its caller may be gone in the same instant


_Queue = dict[int, _Waiting]  # by member; a newer one takes the place of the one before


class SharedStatements:
    """``SharedStatements`` sends beats and announcements of many members to the shard ``name``.

    ``store`` writes some beats, and ``seat`` announces some members. A caller may be cancelled: then
    its request is not done, or no caller is told.
    """

    def __init__(self, name: str, store: Do, seat: Do) -> None:
        self._name = name
        self._store = store
        self._seat = seat
        self._beats: _Queue = {}
        self._newcomers: _Queue = {}
        self._late: dict[int, Seated] = {}  # seats that were given when no caller waited any more
        self._task: asyncio.Task[None] | None = None

    async def beat(self, row: BeatRow) -> Any:
        """Store the beat; return what the statement does."""
        return await self._ask(self._beats, row[1], row)

    async def announce(self, row: Newcomer) -> Seated:
        """Announce the member; return its slot, and what came with it."""
        seated = self._late.pop(row[0], None)
        if seated is None:
            seated = await self._ask(self._newcomers, row[0], row)
        return seated

    def close(self) -> None:
        """Give everything up."""
        if self._task is not None:
            self._task.cancel()
        for waiting in (*self._beats.values(), *self._newcomers.values()):
            waiting.fail(ShardUnavailable(self._name, CLOSED))

    async def _ask(self, queue: _Queue, member: int, row: object) -> Any:
        loop = asyncio.get_running_loop()
        waiting = queue[member] = _Waiting(row, loop.create_future())
        if self._task is None:
            self._task = loop.create_task(self._run())
        try:
            return await waiting.answer
        finally:
            if queue.get(member) is waiting:
                del queue[member]

    async def _run(self) -> None:
        try:
            while self._beats or self._newcomers:
                await self._execute(_take(self._beats, MOST_BEATS), self._store)
                await self._execute(_take(self._newcomers, MOST_NEWCOMERS), self._seat)
        finally:
            self._task = None

    async def _execute(self, some: Sequence[_Waiting], do: Do) -> None:
        """Do these at once, or in smaller parts where the database refuses: one may be to blame."""
        if not some:
            return
        try:
            answers = await again(lambda: do([waiting.row for waiting in some]))
        except StoreError as error:
            if len(some) > 1 and _one_may_be_to_blame(error):
                middle = len(some) // 2
                await self._execute(some[:middle], do)
                await self._execute(some[middle:], do)
                return
            for waiting in some:
                waiting.fail(error)
        except BaseException:
            for waiting in some:
                waiting.fail(ShardUnavailable(self._name, "given up by this process"))
            raise
        else:
            for waiting, answer in zip(some, answers, strict=True):
                self._resolve(waiting, answer)

    def _resolve(self, waiting: _Waiting, answer: Any) -> None:
        if not waiting.answer.done():
            waiting.answer.set_result(answer)
        elif isinstance(answer, tuple):
            self._late[waiting.row[0]] = answer


def _one_may_be_to_blame(error: StoreError) -> bool:
    return isinstance(error, ShardRefused) and not isinstance(error, RefusesAll)


def _take(queue: _Queue, most: int) -> list[_Waiting]:
    """Take the requests that wait longest; pass over those that were given up."""
    some = [(member, queue[member]) for member in list(queue)[:most]]
    for member, _ in some:
        del queue[member]
    return [waiting for _, waiting in some if not waiting.answer.done()]
