"""The coordinator's batched reads of a real memcached: at size, cancelled, refused, unharmed."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import anyio
import numpy as np
import pytest

from musterd.errors import ShardCorrupt, ShardRefused, ShardUnavailable, StoreError
from musterd.stores import open_store
from musterd.stores.memcached.address import ServerAddress
from musterd.testing import CuttingProxy
from musterd.testing.busy import in_time
from musterd.testing.servers import Memcached
from musterd_coordinator.sweep.base import ShardReader, open_reader
from musterd_coordinator.sweep.columns import WORDS, Rejected
from musterd_coordinator.sweep.memcached.bulk import MemcachedBulk
from musterd_coordinator.sweep.slots import roster as keyed_roster
from musterd_coordinator.sweep.slots.slotmap import BLOCK, Block
from tests.conftest import StartMemcached
from tests.service.memcached_fill import KEYS, fill, member, record

MANY = 12_500


@pytest.fixture
def large(start_memcached: StartMemcached) -> Memcached:
    """Give a memcached with many members, and a hole."""
    memcached = start_memcached("-m", "64", "-t", "1")
    fill(memcached, [slot for slot in range(MANY) if not 3000 <= slot < 4200])
    return memcached


@asynccontextmanager
async def reader_of(address: str, patience: float = 60.0) -> AsyncIterator[ShardReader]:
    store = open_store(f"memcached://{address}", namespace="fleet", timeout=patience, beat_ttl=600)
    reader = open_reader(store, 0, "c1")
    try:
        yield reader
    finally:
        await reader.aclose()


async def sequences(reader: ShardReader) -> dict[int, int]:
    sweep = await reader.sweep()
    assert sweep.complete
    assert sum(sweep.rejected) == 0
    return dict(zip(sweep.beats.slot.tolist(), sweep.beats.sequence.tolist(), strict=True))


async def test_many_members_and_a_hole(large: Memcached) -> None:
    async with reader_of(large.address) as reader:
        roster = await reader.roster()
        assert dict(roster.seated) == {
            slot: member(slot) for slot in range(MANY) if not 3000 <= slot < 4200
        }
        expected = dict.fromkeys(dict(roster.seated), 1)
        assert await sequences(reader) == expected
        fill(large, [17, 3500, MANY + 5])
        assert dict((await reader.roster()).seated) == {MANY + 5: member(MANY + 5)}
        assert await sequences(reader) == expected | {MANY + 5: 1}
        for _ in range(20):  # a slot in the middle is found when its turn comes
            if seated := (await reader.roster()).seated:
                break
        assert list(seated) == [(3500, member(3500))]
        assert await sequences(reader) == expected | {MANY + 5: 1, 3500: 1}


async def test_a_sweep_cancelled_at_any_time_spoils_none_after_it(large: Memcached) -> None:
    dice = random.Random(5)
    async with reader_of(large.address) as reader:
        members = len((await reader.roster()).seated)
        for _ in range(25):
            with anyio.move_on_after(dice.random() * 0.03):
                await reader.sweep()
            assert len(await sequences(reader)) == members


async def test_what_came_before_a_failure_counts(large: Memcached) -> None:
    async with (
        CuttingProxy(large.host, large.port) as proxy,
        reader_of(proxy.address) as reader,
    ):
        members = len((await reader.roster()).seated)
        proxy.replies.reset_after(600_000)
        sweep = await reader.sweep()
        assert not sweep.complete
        assert sweep.canary is None
        assert "reset" in sweep.reason
        assert 0 < len(sweep.beats.slot) < members
        proxy.replies.stall()
        with in_time(5):
            async with reader_of(proxy.address, patience=0.2) as impatient:
                with pytest.raises(ShardUnavailable, match=r"no answer within 0.2 s"):
                    await impatient.roster()
        proxy.replies.flow()
        proxy.heal()
        assert len(await sequences(reader)) == members


async def test_a_first_roster_that_is_cut_off_goes_on_where_it_was(large: Memcached) -> None:
    fill(large, list(range(MANY, 3 * keyed_roster.STRIDE)))
    async with (
        CuttingProxy(large.host, large.port) as proxy,
        reader_of(proxy.address) as reader,
    ):
        first = await reader.roster()
        assert first.more
        proxy.replies.reset_after(100_000)
        with pytest.raises(ShardUnavailable, match="reset"):
            await reader.roster()
        proxy.heal()
        seen = dict(first.seated)
        while (roster := await reader.roster()).more:
            seen |= dict(roster.seated)
        assert not seen.keys() & dict(roster.seated).keys()
        assert len(seen | dict(roster.seated)) == 3 * keyed_roster.STRIDE - 1200


async def test_records_that_are_none(memcached: Memcached) -> None:
    """Of another size, by flags, by magic, by field, and of another member."""
    fill(memcached, list(range(100)))
    spoiled = {1: b"short", 2: b"", 3: record(3) + b"x", 5: bytes(64), 6: record(7)}
    spoiled[8] = record(8)[:2] + b"\x09" + record(8)[3:]
    spoiled[9] = record(9)[:3] + b"\xff" + record(9)[4:]
    fill(memcached, [99], **{KEYS.beat(slot).decode(): value for slot, value in spoiled.items()})
    async with reader_of(memcached.address) as reader:
        await reader.roster()
        sweep = await reader.sweep()
        assert sweep.complete
        assert sweep.rejected == Rejected(length=3, magic=1, version=1, field=1, member_id=1)
        assert sorted(sweep.beats.slot.tolist()) == [s for s in range(100) if s not in spoiled]


async def test_the_loop_stays_free_while_many_are_swept(large: Memcached) -> None:
    """Replies are parsed one by one: others get their turn between them."""
    async with reader_of(large.address) as reader:
        await reader.roster()
        turns = 0
        done = anyio.Event()

        async def count() -> None:
            nonlocal turns
            while not done.is_set():
                await anyio.lowlevel.checkpoint()
                turns += 1

        async with anyio.create_task_group() as group:
            group.start_soon(count)
            await reader.sweep()
            done.set()
        assert turns >= MANY // BLOCK


def one_block() -> Block:
    return Block(np.arange(3), b"".join(KEYS.beat(slot) + b" " for slot in range(3)))


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[MemcachedBulk]:
    """Batched reads of a server that gives these answers to its commands."""
    left = list(answers)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left and await reader.readline():
                writer.write(left.pop(0))
            await reader.read()
        except (ConnectionError, asyncio.CancelledError):
            pass
        writer.close()

    listener = await asyncio.start_server(talk, "127.0.0.1", 0)
    bulk = MemcachedBulk(ServerAddress(*listener.sockets[0].getsockname()[:2]), "fleet")
    try:
        with in_time(5):
            yield bulk
    finally:
        bulk.close()
        listener.close()
        await asyncio.sleep(0)


def text_of(slot: int) -> bytes:
    return b"VALUE %b 0 64\r\n%b\r\n" % (KEYS.beat(slot), record(slot))


async def test_crossed_replies_are_refused_and_the_next_is_right() -> None:
    good = text_of(1) + b"END\r\n"
    async with answering(text_of(7) + b"END\r\n", good) as bulk:
        with pytest.raises(ShardCorrupt, match="not asked for"):
            await bulk.beats(0, one_block())
        slots, words, odd = await bulk.beats(0, one_block())
        assert (slots.tolist(), words.T.tobytes()) == ([1], record(1)[: 8 * WORDS])
        assert not len(odd)


async def test_more_than_was_asked_for_ends_the_connection() -> None:
    async with answering(b"END\r\nEND\r\n", text_of(1) + b"END\r\n") as bulk:
        slots, _, _ = await bulk.beats(0, one_block())
        assert len(slots) == 0
        slots, _, _ = await bulk.beats(0, one_block())  # on a new connection
        assert slots.tolist() == [1]


async def test_an_error_of_the_server_is_told() -> None:
    async with answering(text_of(0) + b"SERVER_ERROR out of memory\r\n") as bulk:
        with pytest.raises(ShardRefused, match="SERVER_ERROR out of memory"):
            await bulk.beats(0, one_block())


async def test_a_full_server_is_told(start_memcached: StartMemcached) -> None:
    memcached = start_memcached("-c", "20", "-t", "1")
    with ExitStack() as held:
        for _ in range(40):
            held.enter_context(socket.create_connection((memcached.host, memcached.port)))
        async with reader_of(memcached.address) as reader:
            with pytest.raises(StoreError) as caught:
                await reader.roster()
    assert caught.value.reason in (
        "ERROR Too many open connections",
        "closed by the server",
        "connection reset by peer",
    )
