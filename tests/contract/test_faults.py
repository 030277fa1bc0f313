"""Stores that do not answer, go away, or answer nonsense: always a StoreError, and in time."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest

from musterd.errors import ShardUnavailable, StoreError
from musterd.testing import CuttingProxy
from musterd.testing.busy import allowed_now, in_time
from tests.contract.cast import Agent, closing_all, host, hosts
from tests.contract.conftest import SERVERS
from tests.contract.crowd import CALLS, SLACK, TIMEOUT, Crowd
from tests.contract.labs import Lab

on_servers = pytest.mark.parametrize("store_kind", SERVERS)


@asynccontextmanager
async def proxies(lab: Lab) -> AsyncIterator[tuple[str, list[CuttingProxy]]]:
    """A proxy before every server, and the store's URL through them."""
    async with AsyncExitStack() as stack:
        ways = [
            await stack.enter_async_context(CuttingProxy(server.host, server.port))
            for server in lab.servers
        ]
        yield lab.url_to([way.address for way in ways]), ways


@on_servers
async def test_a_frozen_server(lab: Lab) -> None:
    """Every call ends in time, on old connections and on new ones, and heals without a trace."""
    async with Crowd(lab) as crowd:
        await crowd.is_right()
        for _ in ("old connections", "new ones"):
            lab.pause()
            for failure in await crowd.fail():
                assert f"no answer within {crowd.timeout:g} s" in failure.reason
            lab.resume()
        await crowd.is_right()


@on_servers
async def test_calls_that_wait_for_each_other_end_in_time(lab: Lab) -> None:
    timeout = allowed_now(TIMEOUT)
    agent = Agent(lab.open(timeout=timeout), hosts(40))
    async with closing_all(agent):
        await agent.tick()
        lab.pause()

        async def push(number: int) -> None:
            with pytest.raises(ShardUnavailable):
                await agent.writers[0].announce(host(number))

        with in_time(timeout + SLACK):
            async with anyio.create_task_group() as group:
                for number in range(40):
                    group.start_soon(push, number)
        lab.resume()


@on_servers
async def test_no_server(lab: Lab) -> None:
    async with Crowd(lab) as crowd:
        await crowd.is_right()
        lab.stop()
        for _ in ("old connections", "new ones"):
            for failure in await crowd.fail():
                assert isinstance(failure, ShardUnavailable)
        lab.start()
        await crowd.is_right()


@on_servers
async def test_a_black_hole(lab: Lab) -> None:
    """Packets vanish in one direction; after the heal the next call is right."""
    async with proxies(lab) as (url, ways), Crowd(lab, url) as crowd:
        await crowd.is_right()
        for direction in ("requests", "replies"):
            for way in ways:
                getattr(way, direction).drop()
            await crowd.fail()
            for way in ways:
                way.heal()
            await crowd.is_right()


@on_servers
@pytest.mark.parametrize("ending", ["reset_after", "close_after"])
async def test_connections_cut_in_mid_reply(lab: Lab, ending: str) -> None:
    """At any byte: an error or an incomplete sweep, never a wrong answer."""
    async with proxies(lab) as (url, ways), Crowd(lab, url) as crowd:
        await crowd.is_right()
        for count in (0, 1, 7, 60, 500, 1000):  # nothing, a letter, a word, a line, some lines
            for call in range(CALLS):
                for way in ways:
                    getattr(way.replies, ending)(count)
                await crowd.is_right_or_refused(call)
                for way in ways:
                    way.heal()
        await crowd.is_right()


Garbler = Callable[[bytes], bytes]
GARBAGE: dict[str, Garbler] = {
    "bits": lambda chunk: bytes(byte ^ 0xFF for byte in chunk),
    "text": lambda chunk: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "long line": lambda chunk: b"x" * 100_000,
    "short": lambda chunk: chunk[: len(chunk) // 2],
    "nothing but ends": lambda chunk: b"END\r\n" * 3,
    "twice": lambda chunk: chunk + chunk,
    "other digits": lambda chunk: chunk.replace(b"0", b"1"),
    "zeros": lambda chunk: bytes(len(chunk)),
}
# One client reads memcached's replies and those of the embedded store, whose own make other garbage.
OF_ITS_OWN_REPLIES = ("short", "twice", "other digits")
# asyncpg trusts its server further: on the others it raises inside the callbacks of the event loop
# (which the test runner would report), and it never gets over a message of length zero.
POSTGRES_GARBAGE = ("bits", "text", "long line", "short", "nothing but ends")


@pytest.mark.parametrize(
    ("store_kind", "garbage"),
    [
        *(("memcached", garbage) for garbage in GARBAGE),
        *(("embedded", garbage) for garbage in OF_ITS_OWN_REPLIES),
        *(("postgresql", garbage) for garbage in POSTGRES_GARBAGE),
    ],
)
async def test_garbage(lab: Lab, garbage: str) -> None:
    """Whatever comes in the place of replies, no call returns a wrong answer, then or later."""
    async with proxies(lab) as (url, ways), Crowd(lab, url) as crowd:
        await crowd.is_right()
        for way in ways:
            way.replies.change(GARBAGE[garbage])
        async with anyio.create_task_group() as group:
            for call in range(CALLS):
                group.start_soon(crowd.is_right_or_refused, call)
        for way in ways:
            way.heal()
        await crowd.is_right()


@on_servers
async def test_a_writer_closed_in_mid_call(lab: Lab) -> None:
    agent = Agent(lab.open(), [host(1)])
    async with closing_all(agent):
        await agent.tick()
        shard = agent.store.place(agent.identity(host(1)))[0]
        lab.pause()

        async def push() -> None:
            with pytest.raises(StoreError):
                await agent.writers[shard].beat(agent.beat_of(host(1)))

        with in_time(SLACK):
            async with anyio.create_task_group() as group:
                group.start_soon(push)
                await anyio.wait_all_tasks_blocked()
                await agent.aclose()
        lab.resume()
