"""Agents and coordinators, a pair of them for each call that there is, all failing at once."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack
from typing import Any, Self, TypeVar

import anyio

from musterd.errors import StoreError
from musterd.testing.busy import Patience, allowed_now, in_time
from musterd_coordinator.sweep.base import BeatBatch
from tests.contract.cast import Agent, Coordinator, closing_all, host
from tests.contract.labs import Lab

TIMEOUT = 1.0
SLACK = 2.0
PATIENCE = 10.0
Call = Callable[[], Awaitable[object]]

_T = TypeVar("_T")


def calls(agent: Agent, coordinator: Coordinator) -> Iterator[tuple[str, Call]]:
    """Every call there is, for the first shard of the agent's first member."""
    member = agent.members[0]
    shard = agent.store.place(agent.identity(member))[0]
    writer, reader = agent.writers[shard], coordinator.readers[shard]
    yield "announce", lambda: writer.announce(member)
    yield "beat", lambda: writer.beat(agent.beat_of(member))
    yield "write_canary", lambda: reader.write_canary(coordinator.canary())
    yield "roster", reader.roster
    yield "sweep", reader.sweep
    yield "retire", lambda: reader.retire(host(9999))
    yield "agent's retire", lambda: writer.retire(host(9999))


CALLS = 7


class Crowd:
    """One pair per call, on one store. Every coordinator sees the members of every agent.

    Calls give up after ``timeout`` seconds: soon, and yet not before a server answers that is well.
    """

    def __init__(self, lab: Lab, url: str | None = None) -> None:
        self.timeout = allowed_now(TIMEOUT)
        self._store = store = lab.open(timeout=self.timeout, url=url)
        self._agents = [
            Agent(store, [host(100 * number + at) for at in range(3)]) for number in range(CALLS)
        ]
        self._coordinators = [Coordinator(store, f"c{number}") for number in range(CALLS)]
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exits.enter_async_context(closing_all(*self._agents, *self._coordinators))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._exits.aclose()

    async def is_right(self) -> None:
        """Once all work again: every coordinator sees the last beat of every agent, and proves it."""
        await self._recover()
        await _at_once(Agent.tick, self._agents)
        await _at_once(self._look, self._coordinators)

    async def _recover(self) -> None:
        """Rounds that may fail: servers catch up, and dead connections are found dead."""
        await _at_once(_repeat, [agent.tick for agent in self._agents])
        await _at_once(_repeat, [coordinator.look for coordinator in self._coordinators])

    async def fail(self) -> list[StoreError]:
        """What all calls fail with, made at once; none succeeds, and all end in time."""
        failures: list[StoreError] = []

        async def fail(number: int) -> None:
            outcome = await self._outcome(number)
            assert isinstance(outcome, StoreError), f"call {number}: {outcome}"
            failures.append(outcome)

        await _at_once(fail, range(CALLS))
        return failures

    async def is_right_or_refused(self, number: int) -> None:
        """Make one call: either it is right, or it fails as it should."""
        outcome = await self._outcome(number)
        assert outcome is not False, "a beat that was there is said to be lost"
        if isinstance(outcome, BeatBatch):
            shard, coordinator = self._shard_of(number), self._coordinators[number]
            standing = coordinator.standing(shard, outcome).values()
            if outcome.canary == coordinator.canary():
                seen = {identity: sequence for identity, _, sequence in standing}
                assert seen == self._expected(shard)

    async def _outcome(self, number: int) -> object:
        """What a call returns or fails with; a sweep that is not complete has failed."""
        _, call = list(calls(self._agents[number], self._coordinators[number]))[number]
        try:
            with in_time(self.timeout + SLACK):
                outcome = await call()
        except StoreError as error:
            outcome = error
        if isinstance(outcome, BeatBatch) and not outcome.complete:
            outcome = StoreError("sweep", outcome.reason)
        if isinstance(outcome, StoreError):
            assert outcome.reason
            assert str(outcome).isprintable()
            assert len(str(outcome)) < 500
        return outcome

    def _shard_of(self, number: int) -> int:
        agent = self._agents[number]
        return self._store.place(agent.identity(agent.members[0]))[0]

    def _expected(self, shard: int) -> dict[int, int]:
        return {
            agent.identity(member): agent.sequence
            for agent in self._agents
            for member in agent.members
            if shard in self._store.place(agent.identity(member))
        }

    async def _look(self, coordinator: Coordinator) -> None:
        look = await coordinator.look()
        assert look.proven
        assert look.vacated == []
        assert look.sequences == {
            member.name: agent.sequence for agent in self._agents for member in agent.members
        }


async def _at_once(act: Callable[[_T], Coroutine[Any, Any, None]], who: Iterable[_T]) -> None:
    async with anyio.create_task_group() as group:
        for one in who:
            group.start_soon(act, one)


async def _repeat(call: Call) -> None:
    """Until it succeeds, or has failed for too long."""
    patience = Patience(PATIENCE)
    while True:
        try:
            await call()
        except StoreError:
            if patience.is_over:
                raise
            await anyio.sleep(0.02)
        else:
            return
