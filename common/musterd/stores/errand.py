"""Work that is done once for everybody who waits for it, and that no single one of them can end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Errand(Generic[_T]):
    """Runs ``do`` in a task of its own, which whoever asks begins or joins. For asyncio.

    Who waits may be cancelled: the work goes on for the next in line, so ``do`` needs a deadline of
    its own. What it made is kept until somebody takes it. Its owner ends it by :meth:`give_up`.
    """

    def __init__(self, do: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        self._do = do
        self._task: asyncio.Task[_T] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether whoever asks now joins what others began."""
        return self._task is not None

    async def outcome(self) -> _T:
        """What the work under way, or new work, comes to; raises what it raises."""
        task = self._task
        if task is None:
            task = self._task = asyncio.get_running_loop().create_task(self._do())
            task.add_done_callback(self._ended)
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
        """End the work under way; what it made already, if nobody took that."""
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
