"""Joining from other programs against a real server: absent stores, busy loops, threads, forks."""

import asyncio
import subprocess
import sys
import textwrap
import time

import anyio
import pytest

import musterd_agent
from musterd.beat import Status
from musterd.errors import ConfigError
from musterd.testing.busy import allowed_now
from musterd.testing.servers import HOST, Memcached, held_port
from tests.service.beats import beats_in

SLACK = 1.0  # seconds


async def test_joining_does_not_wait_longer_than_a_push_for_an_absent_store() -> None:
    with held_port() as port:
        began = time.monotonic()
        async with musterd_agent.join(
            f"memcached://{HOST}:{port}", member="w1", interval=1.0, push_timeout=0.2
        ) as membership:
            assert time.monotonic() - began < allowed_now(0.2 + SLACK)
            assert membership.last_accepted is None
            assert membership.last_accepted_age > 0.1
            assert not await membership.report(Status.DRAINING)
    assert time.monotonic() - began < allowed_now(0.2 + 0.2 + 1.5 + SLACK)


async def test_a_native_cancel_of_the_block_says_that_it_leaves(memcached: Memcached) -> None:
    joined = anyio.Event()

    async def work() -> None:
        async with musterd_agent.join(memcached.url, member="w1", interval=0.2):
            joined.set()
            await anyio.sleep_forever()

    task = asyncio.ensure_future(work())
    await joined.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.LEAVING]


async def test_a_blocked_loop_stops_no_beat_of_a_thread(memcached: Memcached) -> None:
    interval = allowed_now(0.05)
    down_time = 3 * interval
    with musterd_agent.join_in_thread(memcached.url, member="w1", interval=interval) as membership:
        before, began = membership.counters.accepted, time.monotonic()
        while membership.counters.accepted < before + 3:
            time.sleep(3 * down_time)  # noqa: ASYNC251  # the fault under test
        assert membership.last_accepted_age < time.monotonic() - began
        assert membership.report(Status.DRAINING)
        assert [beat.status for beat in await beats_in(memcached.url)] == [Status.DRAINING]
        membership.status = Status.OK
        assert membership.status is Status.OK
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.LEAVING]


def test_what_the_block_of_a_thread_raises_comes_out_as_it_is(memcached: Memcached) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        musterd_agent.join_in_thread(memcached.url, member="w1"),
    ):
        _ = 1 / 0


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of its own process, as warnings and forks of this one are pytest's."""
    quiet = ("-W", "ignore::DeprecationWarning")  # of forks in a process with threads
    command = [sys.executable, *quiet, "-c", textwrap.dedent(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


async def test_a_forked_child_of_a_thread_neither_beats_nor_leaves(memcached: Memcached) -> None:
    script = """
        import os, sys, time
        import musterd_agent
        from musterd.beat import Status
        with musterd_agent.join_in_thread(sys.argv[1], member="w1", interval=0.1) as membership:
            child = os.fork()
            if child == 0:
                assert not membership.report(Status.DRAINING)
            else:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
                before = membership.counters.accepted
                while membership.counters.accepted < before + 2:
                    time.sleep(0.05)
                os._exit(0)  # without a farewell: what is in the store now is not the child's
    """
    done = run(script, memcached.url)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.OK]


async def test_a_forked_child_of_a_joined_loop_neither_beats_nor_leaves(
    memcached: Memcached,
) -> None:
    script = """
        import os, sys
        import anyio
        import musterd_agent
        async def beat_on(membership, child):
            if child:
                while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
                    await anyio.sleep(0.05)
                assert ended == (child, 0), ended
                before = membership.counters.accepted
                while membership.counters.accepted < before + 2:
                    await anyio.sleep(0.05)
                os._exit(0)  # without a farewell, as above
        async def main():
            async with musterd_agent.join(sys.argv[1], member="w1", interval=0.1) as membership:
                child = os.fork()
                await beat_on(membership, child)
            os._exit(0)
        anyio.run(main)
    """
    done = run(script, memcached.url)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.OK]


async def test_workers_that_join_after_a_fork_are_members_of_their_own(
    memcached: Memcached,
) -> None:
    script = """
        import os, sys
        import musterd_agent
        children = []
        for number in range(4):
            if (child := os.fork()) == 0:
                with musterd_agent.join_in_thread(sys.argv[1], member=f"w{number}") as membership:
                    assert membership.last_accepted is not None
                os._exit(0)
            children.append(child)
        assert not any(os.waitpid(child, 0)[1] for child in children)
    """
    done = run(script, memcached.url)
    assert done.returncode == 0, done.stderr
    beats = await beats_in(memcached.url)
    assert len({beat.incarnation for beat in beats}) == len(beats) == 4


def test_a_program_may_end_without_leaving_the_block(memcached: Memcached) -> None:
    script = """
        import sys
        import musterd_agent
        joining = musterd_agent.join_in_thread(sys.argv[1], member="w1")
        joining.__enter__()
    """
    assert run(script, memcached.url).returncode == 0


@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_real_store_on_trio_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="needs asyncio; use join_in_thread"):
        async with musterd_agent.join("memcached://127.0.0.1:1"):
            pass
    with musterd_agent.join_in_thread("memcached://127.0.0.1:1", interval=0.1) as membership:
        assert membership.member.group == "compute"
