"""A fleet's beats that were made ready before are sent when they are due, in simulated time."""

import anyio
import numpy as np
import pytest
from benchmarks.fleet import Fleet, Order, Send
from benchmarks.prepared import prepare, sending

MEMBERS, INTERVAL = 40, 1.0  # twenty portions an interval, of two beats
PAUSE = 0.05


class Recording:
    """A `Recording` keeps what was written, and when; the first write takes ``slow`` seconds."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.prepared = 0
        self.written: list[tuple[float, list[int], list[int]]] = []
        self.slow = 0.0

    async def prepare(self, rows: Order) -> Send:
        self.prepared += len(rows)
        sequences = self._fleet.records["sequence"][rows].tolist()

        async def send() -> None:
            await anyio.sleep(0.0 if self.written else self.slow)
            self.written.append((anyio.current_time(), rows.tolist(), sequences))

        return send

    async def fill(self) -> None: ...

    async def challenge(self) -> bytes:
        return b""

    async def aclose(self) -> None: ...


async def test_everybody_beats_once_an_interval_and_nothing_is_written_before() -> None:
    fleet = Fleet(MEMBERS, INTERVAL)
    fill = Recording(fleet)
    beats = await prepare(fleet, fill, INTERVAL, 2 * INTERVAL)
    assert not fill.written
    assert fill.prepared >= 2 * MEMBERS
    async with sending(beats) as sent:
        await anyio.sleep(2 * INTERVAL - PAUSE / 2)
    assert (sent.beats, sent.behind) == (2 * MEMBERS, 0.0)
    due = [at for at, _, _ in fill.written]
    assert np.allclose(np.diff(due), PAUSE)
    for number in (0, 1):  # of the interval
        part = fill.written[number * 20 : (number + 1) * 20]
        assert sorted(row for _, rows, _ in part for row in rows) == list(range(MEMBERS))
        assert {each for _, _, sequences in part for each in sequences} == {2 + number}


async def test_what_was_late_is_made_up_for_and_told() -> None:
    fleet = Fleet(MEMBERS, INTERVAL)
    fill = Recording(fleet)
    beats = await prepare(fleet, fill, INTERVAL, INTERVAL)
    fill.slow = 3 * PAUSE
    async with sending(beats) as sent:
        await anyio.sleep(INTERVAL - PAUSE / 2)
    assert sent.beats == MEMBERS
    assert sent.behind == pytest.approx(3 * PAUSE)
    assert fill.written[-1][0] - fill.written[0][0] == pytest.approx(INTERVAL - 4 * PAUSE)


async def test_a_fleet_that_has_no_beats_left_says_so() -> None:
    fleet = Fleet(MEMBERS, INTERVAL)
    fill = Recording(fleet)
    beats = await prepare(fleet, fill, INTERVAL, INTERVAL)
    with pytest.raises(ExceptionGroup) as caught:
        async with sending(beats):
            await anyio.sleep(10 * INTERVAL)
    assert "all beats that were prepared are sent" in str(caught.value.exceptions[0])
