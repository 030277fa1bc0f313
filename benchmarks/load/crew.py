"""The module runs the worker processes on their parent's side."""

import sys
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from subprocess import PIPE
from types import TracebackType
from typing import Self

import anyio
import msgspec
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from benchmarks.load.orders import (
    Announce,
    Answer,
    Counted,
    Done,
    Failed,
    Measure,
    Order,
    Placed,
    Plan,
)
from benchmarks.load.tally import Tally
from musterd.errors import MusterdError

ROOT = Path(__file__).parents[2]
_LINE = 2**24
_decode = msgspec.json.Decoder(Answer).decode


class LoadError(MusterdError):
    """A `LoadError` says that the run cannot go on; its text is for the user."""


class _Hand:
    """A `_Hand` is one worker process."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.latest = Counted(-1, Tally())
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._said, self._hear = anyio.create_memory_object_stream[Placed | Done](8)

    async def tell(self, message: Order | Plan) -> None:
        try:
            await self._stdin.send(msgspec.json.encode(message) + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise LoadError("a worker of the swarm died") from None

    async def answer(self) -> Placed | Done:
        try:
            return await self._hear.receive()
        except anyio.EndOfStream:
            raise LoadError("a worker of the swarm died") from None

    def close(self) -> None:
        self._hear.close()
        self._said.close()

    async def listen(self) -> None:
        with self._said:
            while True:
                said = await self._next()
                if isinstance(said, Failed):
                    raise LoadError(said.reason)
                if isinstance(said, Counted):
                    self.latest = said
                else:
                    await self._said.send(said)

    async def _next(self) -> Answer:
        try:
            line = await self._lines.receive_until(b"\n", _LINE)
        except (anyio.IncompleteRead, anyio.EndOfStream):
            raise LoadError("a worker of the swarm died") from None
        answer: Answer = _decode(line)
        return answer


class Crew:
    """A `Crew` is all workers, for ``async with``.

    It raises LoadError in the caller's task when one of them fails.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._plans = plans
        self._hands: list[_Hand] = []
        self._tasks = anyio.create_task_group()
        self._round = 0

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            for plan in self._plans:
                await self._start(plan)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        try:
            return await self._tasks.__aexit__(kind, error, trace)
        finally:
            await self._end()

    @property
    def pids(self) -> list[int]:
        """Return the workers' process IDs."""
        return [hand.process.pid for hand in self._hands]

    async def placed(self) -> list[list[int]]:
        """Return how many members of each worker (rows) go to each shard (columns)."""
        answers = [await hand.answer() for hand in self._hands]
        return [answer.shards for answer in answers if isinstance(answer, Placed)]

    async def announce(self, bases: Sequence[list[int]]) -> None:
        """Have each worker announce its members in the slots from its ``bases`` on."""
        for hand, base in zip(self._hands, bases, strict=True):
            await hand.tell(Announce(base))
        await self._done()

    async def order(self, order: Order, *, wait: bool = False) -> None:
        """Give an order to all workers; ``wait`` until all have carried it out."""
        for hand in self._hands:
            await hand.tell(order)
        if wait:
            await self._done()

    async def measure(self) -> None:
        """Count anew from now on."""
        self._round += 1
        await self.order(Measure())

    def tally(self) -> Tally:
        """Return what all workers counted in this round so far."""
        latest = (hand.latest for hand in self._hands)
        counted = (said.tally for said in latest if said.round == self._round)
        return reduce(Tally.__add__, counted, Tally())

    async def _start(self, plan: Plan) -> None:
        command = [sys.executable, "-m", "benchmarks.load.worker"]
        process = await anyio.open_process(
            command, stdin=PIPE, stdout=PIPE, stderr=None, cwd=ROOT, start_new_session=True
        )
        hand = _Hand(process)
        self._hands.append(hand)
        await hand.tell(plan)
        self._tasks.start_soon(hand.listen)

    async def _done(self) -> None:
        for hand in self._hands:
            await hand.answer()

    async def _end(self) -> None:
        with anyio.CancelScope(shield=True):
            for hand in self._hands:
                if hand.process.returncode is None:
                    hand.process.kill()
                await hand.process.aclose()
                hand.close()
