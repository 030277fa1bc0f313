"""A relay whose database is away, slow or choosy, and coordinators while a relay is."""

from collections.abc import Sequence
from contextlib import suppress

import anyio
import asyncpg
import msgspec
import pytest

from musterd.beat import unpack
from musterd.errors import ShardRefused, StoreError
from musterd.stores.postgres.schema import init_db
from musterd.testing.busy import in_time
from musterd.testing.servers import Database, Postgres, ServerError
from musterd_coordinator.relay.service import running
from tests.conftest import StartPostgres
from tests.contract.cast import Agent, closing_all, host
from tests.service.relay_fleet import (
    PATIENT,
    all_beat,
    coordinator_of,
    crowd,
    refusals,
    settings_of,
    store_of,
    until_all_beat,
)

RECORDS = "SELECT encode(record, 'hex') FROM musterd.beat WHERE slot >= 0"


END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname <> ''"


class Beaters:
    """Members that beat all the time, and what they were told."""

    def __init__(self, agents: Sequence[Agent], server: Postgres) -> None:
        self.acknowledged: dict[int, int] = {}
        self.refusals: list[str] = []
        self._agents = agents
        self._server = server
        self._all = anyio.Event()

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for agent in self._agents:
                tasks.start_soon(self._keep_beating, agent)

    async def until_all_beat(self) -> None:
        self.acknowledged.clear()
        self._all = anyio.Event()
        with in_time(PATIENT):
            await self._all.wait()

    async def check(self) -> None:
        """No acknowledged beat is lost."""
        acknowledged = dict(self.acknowledged)
        lines = await anyio.to_thread.run_sync(self._server.execute, RECORDS)
        beats = [unpack(bytes.fromhex(line)) for line in lines.split()]
        stored = {beat.member_id: beat.sequence for beat in beats}
        assert acknowledged
        assert all(stored[identity] >= last for identity, last in acknowledged.items())

    async def _keep_beating(self, agent: Agent) -> None:
        while True:
            try:
                await agent.tick()
                self.acknowledged[agent.identity(agent.members[0])] = agent.sequence
                if len(self.acknowledged) == len(self._agents):
                    self._all.set()
            except StoreError as error:
                self.refusals.append(error.reason)
                await anyio.sleep(0.01)


async def test_what_was_acknowledged_is_in_the_database(start_postgres: StartPostgres) -> None:
    """Whenever the database ends the relay's sessions, stops, and comes back."""
    server = start_postgres(fsync="off")
    await init_db(server.dsn, 30.0)
    # Who was refused tries again with another number at once: a long time would keep it out for long.
    settings = settings_of(server.dsn, push_timeout=2.0)
    async with running(settings) as relay, crowd(store_of(relay)) as agents:
        beaters = Beaters(agents, server)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beaters.run)
            for _ in range(5):
                await beaters.until_all_beat()
                with suppress(ServerError):  # it ends its own session too
                    await anyio.to_thread.run_sync(server.execute, END_SESSIONS)
                await beaters.check()
            await beaters.until_all_beat()
            await anyio.to_thread.run_sync(server.restart)
            await beaters.check()
            await beaters.until_all_beat()
            await beaters.check()
            tasks.cancel_scope.cancel()
    assert any("SERVER_ERROR" in reason for reason in beaters.refusals)


async def test_waits_for_a_database_that_is_not_there(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    server.stop()
    async with running(settings_of(server.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        with pytest.raises(ShardRefused, match=r"SERVER_ERROR .*connection refused"):
            await agent.tick()
        await anyio.to_thread.run_sync(server.start)
        with pytest.raises(ShardRefused, match="run 'musterd init-db'"):
            await agent.tick()
        await init_db(server.dsn, 30.0)
        with in_time(PATIENT):
            await relay.reached()
        await agent.tick()
        assert relay.gauges.reason == ""


async def test_a_hanging_database_is_refused_in_time(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    await init_db(server.dsn, 30.0)
    settings = settings_of(server.dsn, push_timeout=0.8)
    async with running(settings) as relay, crowd(store_of(relay), 3) as agents:
        await until_all_beat(agents)
        server.pause()
        for agent in agents:
            agent.sequence += 1
        with pytest.raises(ShardRefused, match=r"no answer within 0\.8 s"):
            await agents[0].push(0, host(0))
        server.resume()
        await until_all_beat(agents[:1])


async def test_one_whom_the_database_refuses_keeps_nobody_out(postgres: Postgres) -> None:
    """Its zone cannot be written in the database's encoding."""
    postgres.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'")
    dsn = postgres.dsn_of("latin")
    await init_db(dsn, 30.0)
    async with running(settings_of(dsn)) as relay, crowd(store_of(relay)) as agents:
        agents[17].members = [host(17, zone="\N{GREEK CAPITAL LETTER OMEGA}")]
        for _ in range(8):
            failures = await refusals(agents)
        assert list(failures) == [17]
        assert "UTF8" in failures[17]
    postgres.execute("DROP DATABASE latin WITH (FORCE)")


async def test_silence_counts_only_while_a_relay_is_at_work(ready: Database) -> None:
    """A coordinator's canary does not go by way of a relay."""
    settings = msgspec.structs.replace(settings_of(ready.dsn), service_down_time=0.5)
    coordinator = coordinator_of(ready.dsn)

    async def until(complete: bool) -> None:
        with in_time(PATIENT):
            while (await coordinator.look()).complete is not complete:
                pass

    async with closing_all(coordinator):
        assert (await coordinator.look()).complete
        async with running(settings) as one, running(settings) as other:
            await one.reached()
            await other.reached()
            await until(complete=True)
        await until(complete=False)
        [reader] = coordinator.readers
        assert (await reader.sweep()).reason == "no relay is writing"
        async with running(settings):
            await until(complete=True)


async def test_silence_does_not_count_while_a_relay_answers_too_late(ready: Database) -> None:
    """Somebody locks members' rows: a canary does not meet that, their beats do."""
    settings = settings_of(ready.dsn, push_timeout=0.5)
    coordinator = coordinator_of(ready.dsn)
    async with running(settings) as relay, crowd(store_of(relay), 2) as agents:
        await relay.reached()
        await until_all_beat(agents)
        async with closing_all(coordinator):
            with in_time(PATIENT):
                while not (await coordinator.look()).complete:
                    pass
            [reader] = coordinator.readers
            locker = await asyncpg.connect(ready.dsn)
            try:
                async with locker.transaction():
                    await locker.execute("SELECT FROM musterd.beat WHERE slot >= 0 FOR UPDATE")
                    with pytest.raises(ExceptionGroup):
                        await all_beat(agents)
                    with in_time(PATIENT):
                        while (sweep := await reader.sweep()).complete:
                            pass
            finally:
                await locker.close()
            assert sweep.reason.startswith("a relay lags: ")
            await until_all_beat(agents)
            with in_time(PATIENT):
                while not (await reader.sweep()).complete:
                    pass
