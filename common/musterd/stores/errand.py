"""The module does work once for all callers that wait for it, and no single caller can end it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Errand(Generic[_T]):
    """An ``Errand`` runs ``do`` in an asyncio task of its own, which each caller begins or joins.

    A caller that waits may be cancelled: the work goes on for the next in line, so ``do`` needs a
    deadline of its own. What it made is kept until a caller takes it. Its owner ends it by
    :meth:`give_up`.
    """

    def __init__(self, do: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        self._do = do
        self._task: asyncio.Task[_T] | None = None

    @property
    def is_under_way(self) -> bool:
        """Say whether a caller that asks now joins what another one began."""
        return self._task is not None

    @property
    def is_done(self) -> bool:
        """Say whether work is done, and what it made was not taken yet."""
        return self._task is not None and self._task.done()

    def begin(self) -> None:
        """Begin new work, unless some is under way or done; wait for nothing."""
        self._begun()

    def _begun(self) -> asyncio.Task[_T]:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._do())
            self._task.add_done_callback(self._ended)
        return self._task

    async def outcome(self) -> _T:
        """Return what the work under way, or new work, comes to; raise what it raises."""
        task = self._begun()
        try:
            made = await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ConnectionAbortedError("given up by this process") from None
            raise
        if self._task is task:
            self._task = None
        return made

    def give_up(self) -> _T | None:
        """End the work under way; return what it made already, if no caller took that."""
        task, self._task = self._task, None
        if task is None:
            return None
        if task.done() and not task.cancelled() and task.exception() is None:
            return task.result()
        task.cancel()
        return None

    def _ended(self, task: asyncio.Task[_T]) -> None:
        failed = task.cancelled() or task.exception() is not None  # asking counts as having read it
        if failed and self._task is task:
            self._task = None
