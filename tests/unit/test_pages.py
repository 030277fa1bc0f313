"""Large columns take memory where they are written to, and give it back when they end."""

from pathlib import Path

import numpy as np
import pytest

from musterd_coordinator.process import pages

MEGABYTES = 64
LARGE = MEGABYTES << 20


def resident() -> int:
    """Megabytes of this process."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) >> 10


def test_what_is_not_written_takes_no_memory_and_all_goes_back() -> None:
    freed = np.ones(LARGE, np.uint8)
    del freed  # np.zeros would take this
    before = resident()
    column = pages.zeros(LARGE, np.uint8)
    assert not column.any()
    assert resident() - before < MEGABYTES // 4
    column[:] = 1
    assert resident() - before > MEGABYTES * 3 // 4
    del column
    assert resident() - before < MEGABYTES // 4


@pytest.mark.parametrize("size", [10, pages.LEAST])
def test_a_column_grows_with_what_is_in_it(size: int) -> None:
    column = pages.zeros((2, size), np.int32)
    column[:] = 7
    larger = pages.grown(column, size + 5, -1)
    assert larger.dtype == np.int32
    assert (larger[:, :size] == 7).all()
    assert (larger[:, size:] == -1).all()
    assert not pages.grown(column, size + 5)[:, size:].any()


def test_room_comes_by_the_quarter_and_only_when_it_is_needed() -> None:
    column = pages.zeros(1000, np.bool_)
    assert pages.with_room(column, 1000) is column
    assert len(pages.with_room(column, 1001)) == 1250
    assert len(pages.with_room(column, 4000)) == 4000
