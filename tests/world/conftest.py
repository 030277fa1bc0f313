"""Simulations run on trio, whose mock clock jumps to the next deadline when all tasks wait."""

import pytest
from trio.testing import MockClock


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run async tests in simulated time, from 0.0."""
    return "trio", {"clock": MockClock(autojump_threshold=0)}
