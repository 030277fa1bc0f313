"""A sweep whose beats are spoiled proves nothing, however well its canary does."""

from collections.abc import AsyncIterator

import pytest

from musterd.beat import Beat, member_id, pack
from musterd.model import Member
from musterd.stores import open_store
from musterd.stores.keyed import Keys
from musterd.stores.memory import forget_table, named_table
from musterd_coordinator.spoilage import Spoilage
from musterd_coordinator.sweep import Sweeper

NAME = "test-sweep-spoiled"
KEYS = Keys("test")
FLEET = 20


@pytest.fixture
async def sweeper() -> AsyncIterator[Sweeper]:
    """Sweeps a fleet in which all is well."""
    store = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0)
    writer = store.writer(0)
    for number in range(FLEET):
        await writer.announce(Member("compute", f"host-{number}"))
        await writer.beat(beat(number))
    yield Sweeper(
        store.reader(0, "c1"),
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


async def test_newcomers_whose_records_never_were_beats_stop_nothing_for_long(
    sweeper: Sweeper,
) -> None:
    """At first that cannot be told from replies that are mixed up; while most are well, it passes."""
    assert (await sweeper.once()).proven
    writer = open_store(f"memory:{NAME}", namespace="test", timeout=1.0, beat_ttl=60.0).writer(0)
    for number in range(FLEET, FLEET + 10):
        await writer.announce(Member("compute", f"host-{number}"))
        put(number, pack(beat(0)))
    swept = await sweeper.once()
    assert swept.reason == "10 of 30 beats are spoiled, or stored for another member"
    assert swept.sweep is not None
    assert swept.sweep.rejected.member_id == 10
    spoilage = Spoilage("mc1", lambda: 4.0)
    lasting = [spoilage.doubt(swept.sweep, now) == "" for now in (0.0, 11.9, 12.0, 100.0)]
    assert lasting == [False, False, True, True]


def beat(number: int) -> Beat:
    return Beat(member_id("test", "compute", f"host-{number}"), 1, 1, interval_ms=1000)


def put(slot: int, record: bytes) -> None:
    named_table(NAME).set(KEYS.beat(slot), record)
