"""A sweep whose beats are spoiled proves nothing, however well its canary does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio.testing

from musterd.beat import Beat, member_id, pack
from musterd.model import Member
from musterd.stores import open_store
from musterd.stores.slots.protocol import Keys
from musterd.stores.table.store import forget_table, named_table
from musterd_coordinator.sweep.base import open_reader
from musterd_coordinator.sweep.loop import Sweeper

NAME = "test-sweep-spoiled"
KEYS = Keys("test")
FLEET = 20


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


@pytest.fixture
async def sweeper() -> AsyncIterator[Sweeper]:
    """Sweeps a fleet in which all is well."""
    store = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0)
    writer = store.writer(0)
    for number in range(FLEET):
        await writer.announce(Member("compute", f"host-{number}"))
        await writer.beat(beat(number))
    yield Sweeper(
        open_reader(store, 0, "c1"),
        1,
        period=1.0,
        timeout=2.0,
        canary_timeout=lambda: 1.0,
        wall=lambda: 1_700_000_000.0,
    )
    forget_table(NAME)


async def test_nearly_all_spoiled(sweeper: Sweeper) -> None:
    for slot in range(FLEET - 1):
        put(slot, bytes(64))
    swept = await sweeper.once()
    assert (swept.proven, swept.reason) == (
        False,
        "19 of 20 beats are spoiled, or stored for another member",
    )


async def test_all_crossed(sweeper: Sweeper) -> None:
    for slot in range(FLEET):
        put(slot, pack(beat((slot + 1) % FLEET)))
    swept = await sweeper.once()
    assert not swept.proven
    assert "20 of 20" in swept.reason


async def test_a_few_spoiled_do_not_stop_everything(sweeper: Sweeper) -> None:
    put(0, bytes(64))
    put(1, b"short")
    swept = await sweeper.once()
    assert swept.proven
    assert swept.sweep is not None
    assert sum(swept.sweep.rejected) == 2


async def test_newcomers_whose_records_never_were_beats_stop_nothing(sweeper: Sweeper) -> None:
    assert (await sweeper.once()).proven
    writer = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0).writer(0)
    for number in range(FLEET, FLEET + 10):
        await writer.announce(Member("compute", f"host-{number}"))
        put(number, pack(beat(0)))
    swept = await sweeper.once()
    assert (swept.proven, swept.reason) == (True, "")
    assert swept.sweep is not None
    assert swept.sweep.rejected.member_id == 10


async def test_a_young_fleet_that_is_mixed_up_on_its_way_is_not_silent(sweeper: Sweeper) -> None:
    """Members that were heard once, and whose beats turn up in the slots of others."""
    assert (await sweeper.once()).proven
    writer = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0).writer(0)
    for number in range(FLEET, 4 * FLEET):
        await writer.announce(Member("compute", f"host-{number}"))
        await writer.beat(beat(number))
    assert (await sweeper.once()).proven
    for number in range(FLEET, 4 * FLEET):
        put(number, pack(beat(number + 1 if number + 1 < 4 * FLEET else FLEET)))
    swept = await sweeper.once()
    assert swept.reason == "60 of 80 beats are spoiled, or stored for another member"


async def test_where_nobody_was_ever_good_nothing_is_proven(sweeper: Sweeper) -> None:
    """Members that another coordinator may know, and whose beats are spoiled from the start."""
    for number in range(FLEET):
        named_table(NAME).delete(KEYS.holder(number))
        named_table(NAME).delete(KEYS.beat(number))
    assert (await sweeper.once()).proven
    writer = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0).writer(0)
    for number in range(FLEET, 2 * FLEET):
        await writer.announce(Member("compute", f"host-{number}"))
        await writer.beat(beat(number))
        put(number - FLEET, bytes(64))
        put(number, bytes(64))
    assert not (await sweeper.once()).proven


def beat(number: int) -> Beat:
    return Beat(member_id("test", "compute", f"host-{number}"), 1, 1, interval_ms=1000)


def put(slot: int, record: bytes) -> None:
    named_table(NAME).set(KEYS.beat(slot), record)
