"""One clock, whatever loop runs."""

import anyio
import pytest

from musterd.loop_clock import clock_of_loop


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_is_anyios_clock(backend: str) -> None:
    async def readings() -> tuple[float, float, float]:
        clock = clock_of_loop()
        return anyio.current_time(), clock(), anyio.current_time()

    before, reading, after = anyio.run(readings, backend=backend)
    assert before <= reading <= after
