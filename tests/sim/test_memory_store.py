"""The in-process store in simulated time: what expires does so by the clock of the event loop."""

from collections.abc import Iterator

import anyio
import pytest

from musterd.beat import Beat, member_id
from musterd.model import Member
from musterd.stores import Store, open_store
from musterd.stores.table.store import forget_table
from musterd_coordinator.sweep.base import open_reader

HOST = Member("compute", "host-1")
BEAT = Beat(member_id("fleet", "compute", "host-1"), 7, 1, 1000)


@pytest.fixture
def store() -> Iterator[Store]:
    """Give a table of the test's own."""
    yield open_store("memory:simulated", namespace="fleet", timeout=5, beat_ttl=600)
    forget_table("simulated")


async def test_a_beat_that_is_not_renewed_expires(store: Store) -> None:
    writer, reader = store.writer(0), open_reader(store, 0, "c1")
    await writer.announce(HOST)
    assert await writer.beat(BEAT)
    await reader.roster()
    for _ in range(3):
        await anyio.sleep(599)
        assert len((await reader.sweep()).beats.slot) == 1
        assert await writer.beat(BEAT)
    await anyio.sleep(601)
    sweep = await reader.sweep()
    assert sweep.complete
    assert len(sweep.beats.slot) == 0
    assert not await writer.beat(BEAT)
    await writer.announce(HOST)
    assert await writer.beat(BEAT)
    assert not (await reader.roster()).vacated
    assert len((await reader.sweep()).beats.slot) == 1


async def test_a_canary_expires(store: Store) -> None:
    reader = open_reader(store, 0, "c1")
    assert await reader.write_canary(BEAT)
    await anyio.sleep(601)
    assert not await reader.write_canary(BEAT)
    assert (await reader.sweep()).canary == BEAT


async def test_the_deadline_is_of_the_same_clock(store: Store) -> None:
    """Calls take no simulated time, so none of them is late."""
    writer = store.writer(0)
    for number in range(100):
        await writer.announce(Member("compute", f"host-{number}"))
    assert anyio.current_time() < 1
