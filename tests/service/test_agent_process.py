"""The process `musterd agent` against real servers: how it starts, waits, beats on and ends."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from musterd.beat import Beat, Status, unpack
from musterd.keyfiles import make_fleet_key_file, read_fleet_keys
from musterd.keys import Seal, challenge_digest, member_key, member_key_text
from musterd.model import Member
from musterd.stores.memcached.address import ServerAddress
from musterd.stores.memcached.connection import MemcachedConnection
from musterd.testing.agent_process import COMMAND, AgentProcess
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import HOST, Memcached, Postgres, held_port, memcached_url
from musterd_agent.agent import LEAVE_TIMEOUT
from tests.conftest import StartMemcached, StartPostgres
from tests.service.beats import beats_in

FAST = ("--member", "h1", "--interval", "0.2")
STATUS_ALL = "STATUS=beating to 1 of 1 shards"

# Seconds, with half a second for what else the machine does, and more where it is busy.
AT_ONCE = 0.5
WITHIN_TWO_SECONDS = 2.0 + 0.5


def after(seconds: float) -> None:
    """Let real time pass where the passing itself is what is tested."""
    time.sleep(seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_makes_it_leave(memcached: Memcached, number: signal.Signals) -> None:
    with AgentProcess(memcached.url, *FAST) as agent:
        agent.wait_for(STATUS_ALL)
        assert [beat.status for beat in await beats_in(memcached.url)] == [Status.OK]
        status, seconds = agent.stop(number)
        output = agent.output
    assert (status, seconds < allowed_now(1.0 + AT_ONCE)) == (0, True)
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.LEAVING]
    assert [line.count("agent started") for line in output.splitlines()] == [1, 0]
    assert "agent left" in output


async def test_an_agent_with_a_key_signs_and_shows_its_key_nowhere(
    memcached: Memcached, tmp_path: Path
) -> None:
    fleet = tmp_path / "fleet.key"
    make_fleet_key_file(fleet)
    key = member_key(read_fleet_keys(fleet).current, "musterd", "compute", "h1")
    text = member_key_text(key)
    for options, environ in (
        ((), {"MUSTERD_MEMBER_KEY": text}),
        (("--fleet-key", str(fleet)), {}),
    ):
        with AgentProcess(
            memcached.url, *FAST, "--log-level", "debug", *options, environ=environ
        ) as agent:
            agent.wait_for(STATUS_ALL)
            record = await record_in(memcached)
            assert record == signed_as(key, record)
            words = arguments_of(agent.pid)
            assert agent.stop()[0] == 0
            assert text[4:] not in agent.output + words
            assert '"signed":true' in agent.output.replace(": ", ":")
    with AgentProcess(memcached.url, *FAST, "--signatures", "require") as agent:
        assert agent.wait_exit()[0] == 2
        assert "musterd key GROUP MEMBER --fleet-key FILE" in agent.output


def arguments_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def record_in(memcached: Memcached) -> bytes:
    """The beat in the first slot, as it stands there."""
    server = MemcachedConnection(ServerAddress.from_host_port(memcached.host, memcached.port))
    value, _ = await server.gets(b"musterd:b:00000000")
    server.close()
    return value or b""


def signed_as(key: bytes, record: bytes) -> bytes:
    """What an agent with the key of ``h1`` makes of this beat where no coordinator was yet."""
    seal = Seal(key, "musterd", Member("compute", "h1"))
    return seal.record(unpack(record), challenge_digest(b""))


async def test_a_hangup_ends_nothing_and_reads_the_file_again(
    memcached: Memcached, tmp_path: Path
) -> None:
    file = tmp_path / "musterd.toml"
    file.write_text("interval = 1\n")
    with AgentProcess(memcached.url, *FAST, "--config", str(file)) as agent:
        agent.wait_for(STATUS_ALL)
        for text, word in (
            ('log_level = "debug"\nnamespace = "other"\n', "info -> debug"),
            ("log_level = \n", "configuration refused"),
        ):
            file.write_text(text)
            agent.send(signal.SIGHUP)
            agent.wait_for("RELOADING=1\nMONOTONIC_USEC=")
            agent.wait_for("READY=1")
            agent.wait_for_output(word)
        assert '"needs_restart":["namespace"]' in agent.output.replace(", ", ",").replace(": ", ":")
        status, _ = agent.stop()
        assert status == 0
    assert [beat.status for beat in await beats_in(memcached.url)] == [Status.LEAVING]


def test_hangups_while_it_leaves_do_not_cut_its_goodbye_short(memcached: Memcached) -> None:
    with AgentProcess(memcached.url, *FAST) as agent:
        agent.wait_for(STATUS_ALL)
        memcached.pause()
        agent.send(signal.SIGTERM)
        for _ in range(20):
            agent.send(signal.SIGHUP)
            after(0.01)
        assert agent.wait_exit()[0] == 0


@pytest.mark.parametrize("trouble", [Memcached.kill, Memcached.pause])
def test_it_ends_within_two_seconds_without_its_store(
    memcached: Memcached, trouble: Callable[[Memcached], None]
) -> None:
    with AgentProcess(memcached.url, "--member", "h1", "--interval", "1") as agent:
        agent.wait_for(STATUS_ALL)
        trouble(memcached)
        agent.wait_for("STATUS=waiting for")
        status, seconds = agent.stop()
        assert (status, seconds < allowed_now(WITHIN_TWO_SECONDS)) == (0, True), agent.output


async def test_it_leaves_one_shard_while_another_hangs(start_memcached: StartMemcached) -> None:
    good, hung = start_memcached(), start_memcached()
    with AgentProcess(memcached_url(good, hung), *FAST) as agent:
        agent.wait_for("STATUS=beating to 2 of 2 shards")
        hung.pause()
        agent.wait_for("STATUS=beating to 1 of 2 shards; ")
        status, seconds = agent.stop()
        assert (status, seconds < allowed_now(WITHIN_TWO_SECONDS)) == (0, True), agent.output
    assert [beat.status for beat in await beats_in(good.url)] == [Status.LEAVING]


@pytest.fixture
def postgres_store(start_postgres: StartPostgres) -> Postgres:
    """A PostgreSQL of the test's own with musterd's tables."""
    server = start_postgres(**Postgres.cheap)
    subprocess.run([*COMMAND, "init-db"], env={"MUSTERD_STORE": server.dsn}, check=True)
    return server


async def test_it_beats_into_postgresql(postgres_store: Postgres) -> None:
    server = postgres_store
    with AgentProcess(server.dsn, *FAST) as agent:
        agent.wait_for(STATUS_ALL)
        server.kill()  # which empties the unlogged table of beats
        agent.wait_for("STATUS=waiting for")
        server.start()
        agent.wait_for(STATUS_ALL)
        assert [beat.status for beat in await beats_in(server.dsn)] == [Status.OK]
        assert server.password not in agent.output
        server.pause()
        status, seconds = agent.stop()
        assert (status, seconds < allowed_now(WITHIN_TWO_SECONDS)) == (0, True), agent.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(memcached: Memcached, number: signal.Signals) -> None:
    while not told_twice(memcached, number):
        memcached.resume()


def told_twice(memcached: Memcached, number: signal.Signals) -> bool:
    """Say whether the second signal came before it had left by itself; then, that ends it."""
    with AgentProcess(memcached.url, *FAST) as agent:
        agent.wait_for(STATUS_ALL)
        memcached.pause()
        told = time.monotonic()
        agent.send(number)
        agent.wait_for("STOPPING=1")
        agent.send(number)
        came_in_time = time.monotonic() - told < LEAVE_TIMEOUT
        status, seconds = agent.wait_exit()
        if came_in_time:
            assert (status, seconds < allowed_now(AT_ONCE)) == (-number, True)
        return came_in_time


def test_a_name_lookup_that_hangs_does_not_hold_up_the_end() -> None:
    script = """
        import socket, sys, time
        from musterd.settings.sources import load
        from musterd_agent.main import run
        socket.getaddrinfo = lambda *args, **kwargs: time.sleep(60)
        sys.exit(run(load({}, {"MUSTERD_STORE": "memcached://mc.invalid:11211"}).settings))
    """
    command = (sys.executable, "-c", textwrap.dedent(script))
    with AgentProcess("", command=command) as agent:
        agent.wait_for("READY=1")
        after(0.3)
        status, seconds = agent.stop()
        assert (status, seconds < allowed_now(WITHIN_TWO_SECONDS)) == (0, True), agent.output


async def test_it_waits_for_a_store_that_is_not_there_yet() -> None:
    server = Memcached()
    try:
        with AgentProcess(server.url, *FAST, environ={"WATCHDOG_USEC": "200000"}) as agent:
            agent.wait_for("READY=1")
            agent.wait_for(f"STATUS=waiting for {server.address}: ")
            agent.wait_for("WATCHDOG=1")  # an absent store must not get it killed
            server.start()
            came = time.monotonic()
            assert agent.wait_for(STATUS_ALL) - came < allowed_now(0.2 + AT_ONCE)
            (beat,) = await beats_in(server.url)
            assert beat.sequence > 1
    finally:
        server.close()


def test_the_watchdog_is_fed_at_half_its_time(memcached: Memcached) -> None:
    """Not less often; that it is not more often is seen on a clock that jumps."""
    with AgentProcess(memcached.url, *FAST, environ={"WATCHDOG_USEC": "400000"}) as agent:
        agent.wait_for(STATUS_ALL)
        came = [agent.wait_for("WATCHDOG=1") for _ in range(6)]
        assert came[-1] - came[0] < allowed_now(1.0 + AT_ONCE)


async def test_a_restart_of_memcached_costs_no_beat(memcached: Memcached) -> None:
    interval = allowed_now(0.5)  # in which a busy machine starts a memcached, too
    with AgentProcess(memcached.url, "--member", "h1", "--interval", f"{interval:.2f}") as agent:
        agent.wait_for(STATUS_ALL)
        for turn in range(4):
            after(turn / 4 * interval)  # at other phases of the interval
            memcached.restart()
            beat = await first_beat(memcached.url)
            assert (beat.sequence > turn + 1, beat.missed) == (True, 0)
        assert "shard lost" not in agent.output


async def first_beat(url: str) -> Beat:
    """Wait until there is one."""
    with in_time(20):
        while not (beats := await beats_in(url)):  # noqa: ASYNC110  # the agent tells nobody
            await anyio.sleep(0.02)
    return beats[0]


async def test_members_of_the_file_share_one_connection(
    start_memcached: StartMemcached, tmp_path: Path
) -> None:
    one, two = start_memcached(), start_memcached()
    url = memcached_url(one, two, replicas=2)
    file = tmp_path / "musterd.toml"
    table = '[[member]]\nmember = "m{0}"\ninterval = 0.{0}\n'
    file.write_text("".join(table.format(tenths) for tenths in range(2, 7)))
    with AgentProcess(url, "--config", str(file)) as agent:
        agent.wait_for("STATUS=beating to 2 of 2 shards")
        assert '"members":5' in agent.output.replace(": ", ":")
        for shard in (0, 1):
            beats = await beats_in(url, shard)
            assert sorted(beat.interval_ms for beat in beats) == [200, 300, 400, 500, 600]
        # Two to the servers; the others are systemd's and the event loop's own pair.
        assert agent.sockets() == 2 + 1 + 2


def test_a_store_inside_one_process_is_refused() -> None:
    with AgentProcess("memory:", *FAST) as agent:
        status, _ = agent.wait_exit()
        assert status == 2
        assert agent.output.count("\n") == 1
        assert "inside one process" in agent.output


def test_nobody_listening_is_told_once(memcached: Memcached) -> None:
    with held_port() as port, AgentProcess(f"memcached://{HOST}:{port}", *FAST) as agent:
        agent.wait_for("STATUS=waiting for")
        after(1.0)
        assert agent.output.count("shard lost") == 1
        memcached.stop()
