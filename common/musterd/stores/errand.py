"""The module does work once for all callers that wait for it, and no single caller can end it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

import anyio

_GIVEN_UP = "given up by this process"

_T = TypeVar("_T")


class _Run(NamedTuple, Generic[_T]):
    task: asyncio.Task[_T]
    scope: anyio.CancelScope


class Errand(Generic[_T]):
    """An ``Errand`` runs ``do`` in an asyncio task of its own, which each caller begins or joins.

    A caller that waits may be cancelled: the work goes on for the next in line, so ``do`` needs a
    deadline of its own. What it made is kept until a caller takes it. Its owner ends it by
    :meth:`give_up`; ``discard`` ends what was made all the same, where that has to be ended.
    """

    def __init__(
        self,
        do: Callable[[], Coroutine[Any, Any, _T]],
        discard: Callable[[_T], object] = lambda made: None,
    ) -> None:
        self._do = do
        self._discard = discard
        self._run: _Run[_T] | None = None

    @property
    def is_under_way(self) -> bool:
        """Say whether a caller that asks now joins what another one began."""
        return self._run is not None

    @property
    def is_done(self) -> bool:
        """Say whether work is done, and what it made was not taken yet."""
        return self._run is not None and self._run.task.done()

    def begin(self) -> None:
        """Begin new work, unless some is under way or done; wait for nothing."""
        self._begun()

    async def outcome(self) -> _T:
        """Return what the work under way, or new work, comes to; raise what it raises."""
        run = self._begun()
        try:
            made = await asyncio.shield(run.task)
        except asyncio.CancelledError:
            if run.task.cancelled():
                raise ConnectionAbortedError(_GIVEN_UP) from None
            raise
        if self._run is run:
            self._run = None
        return made

    def give_up(self) -> None:
        """End the work under way, and discard what it made, if no caller took that."""
        run, self._run = self._run, None
        if run is None:
            return
        if run.task.done():
            self._discard_made(run.task)
        else:
            run.scope.cancel()
            run.task.add_done_callback(self._discard_made)

    def _begun(self) -> "_Run[_T]":
        if self._run is None:
            scope = anyio.CancelScope()
            task = asyncio.get_running_loop().create_task(self._work(scope))
            task.add_done_callback(self._ended)
            self._run = _Run(task, scope)
        return self._run

    async def _work(self, scope: anyio.CancelScope) -> _T:
        # asyncio cancels once, and its own wait_for may swallow that; a scope goes on until it ends.
        with scope:
            return await self._do()
        raise ConnectionAbortedError(_GIVEN_UP)

    def _ended(self, task: asyncio.Task[_T]) -> None:
        if _has_failed(task) and self._run is not None and self._run.task is task:
            self._run = None

    def _discard_made(self, task: asyncio.Task[_T]) -> None:
        if not _has_failed(task):
            self._discard(task.result())


def _has_failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None  # asking counts as having read it
