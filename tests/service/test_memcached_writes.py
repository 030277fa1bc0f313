"""What becomes of writes to a real memcached: of those given up, and of those it evicts."""

import socket
from contextlib import suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd.beat import Beat, member_id
from musterd.errors import StoreError
from musterd.model import Member
from musterd.stores import Store, open_store
from musterd.stores.memcached.pool import LANES
from musterd.testing import CuttingProxy
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Memcached
from musterd_coordinator.sweep.base import open_reader
from tests.conftest import StartMemcached

HOST = Member("compute", "host-1")
TIMEOUT = 1.5  # seconds


async def test_a_beat_given_up_never_overwrites_a_newer_one(memcached: Memcached) -> None:
    async with CuttingProxy(memcached.host, memcached.port) as proxy:
        store = opened(f"memcached://{proxy.address}")
        writer, reader = store.writer(0), open_reader(opened(memcached.url), 0, "c1")
        await writer.announce(HOST)
        assert await writer.beat(beat(1))
        proxy.requests.stall()
        with pytest.raises(StoreError):
            await writer.beat(beat(2))
        with in_time(5):
            while proxy.connections:  # the proxy has it still, and learns that nobody wants it
                await checkpoint()
        proxy.requests.flow()
        assert await writer.beat(beat(3))
        await reader.roster()
        assert (await reader.sweep()).beats.sequence.tolist() == [3]
        await writer.aclose()
        await reader.aclose()


async def test_many_members_beat_in_time_over_a_slow_path(memcached: Memcached) -> None:
    """Which would take one connection three seconds."""
    async with CuttingProxy(memcached.host, memcached.port) as proxy:
        store = opened(f"memcached://{proxy.address}")
        writer = store.writer(0)
        members = [Member("compute", f"host-{number}") for number in range(16)]
        for member in members:
            await writer.announce(member)
            assert await writer.beat(beat(1, member))
        assert proxy.accepted == 1
        proxy.replies.delay(0.2)
        with in_time(2):
            async with anyio.create_task_group() as tasks:
                for member in members:
                    tasks.start_soon(writer.beat, beat(2, member))
        assert 1 < proxy.accepted <= LANES
        await writer.aclose()


async def test_more_newcomers_than_there_is_time_for_get_in_after_a_few_beats(
    memcached: Memcached,
) -> None:
    """All at once, as a process of many members starts: those that only wait cost no connection."""
    async with CuttingProxy(memcached.host, memcached.port) as proxy:
        writer = opened(f"memcached://{proxy.address}").writer(0)
        waiting = {f"host-{number}" for number in range(200)}
        proxy.replies.delay(0.02)

        async def join(name: str) -> None:
            member = Member("compute", name)
            with suppress(StoreError):
                await writer.announce(member)
                if await writer.beat(beat(1, member)):
                    waiting.discard(name)

        rounds = 0
        while waiting:  # a test that hangs is ended by its time limit
            rounds += 1
            async with anyio.create_task_group() as tasks:
                for name in list(waiting):
                    tasks.start_soon(join, name)
        assert (
            proxy.accepted <= LANES * rounds
        )  # what was under way when time was over costs its own
        await writer.aclose()


@pytest.mark.parametrize("coordinator", ["c", "host-with-a-long-name." * 9])
async def test_what_evicts_beats_evicts_canaries(
    start_memcached: StartMemcached, coordinator: str
) -> None:
    """Eviction is within a class of sizes, so both must be of one."""
    memcached = start_memcached("-m", "1", "-I", "512k")
    store = opened(memcached.url)
    writer, reader = store.writer(0), open_reader(store, 0, coordinator)
    await writer.announce(HOST)
    assert await writer.beat(beat(1))
    assert await reader.write_canary(beat(1))
    write_many(memcached, 20_000, key="fleet:x:%08x", size=64)
    assert not await writer.beat(beat(2))
    assert not await reader.write_canary(beat(2))
    await writer.aclose()
    await reader.aclose()


def opened(url: str) -> Store:
    return open_store(url, namespace="fleet", timeout=allowed_now(TIMEOUT), beat_ttl=600)


def beat(sequence: int, member: Member = HOST) -> Beat:
    identity = member_id("fleet", member.group, member.name)
    return Beat(identity, incarnation=1, sequence=sequence, interval_ms=1000)


def write_many(memcached: Memcached, number: int, *, key: str, size: int) -> None:
    """Values that somebody else writes."""
    text = f"set {key} 0 600 {size} noreply\r\n"
    commands = b"".join((text % at).encode() + bytes(size) + b"\r\n" for at in range(number))
    with socket.create_connection((memcached.host, memcached.port), 10) as connection:
        connection.sendall(commands + b"version\r\n")
        assert connection.recv(100).startswith(b"VERSION")
