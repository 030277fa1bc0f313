"""Free memory goes back to the system where the C library can do that, and nothing happens elsewhere."""

from functools import partial

import anyio
import anyio.from_thread

from musterd.testing.busy import in_time
from musterd_coordinator.process import memory


async def test_it_gives_back_again_and_again() -> None:
    given, thrice = list[int](), anyio.Event()

    class Library:
        @staticmethod
        def malloc_trim(pad: int) -> None:
            given.append(pad)
            if len(given) == 3:
                anyio.from_thread.run_sync(thrice.set)

    with in_time(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(memory.keep_small, Library, period=0.0))
            await thrice.wait()
            tasks.cancel_scope.cancel()
    assert given[:3] == [0, 0, 0]


async def test_another_library_is_left_alone() -> None:
    with in_time(10):
        await memory.keep_small(object())
