"""A relay whose database is away, slow or choosy, and coordinators while a relay is."""

from collections.abc import Sequence

import anyio
import msgspec
import pytest

from musterd.beat import unpack
from musterd.errors import ShardRefused, StoreError
from musterd.stores.postgres.schema import init_db
from musterd.testing.busy import in_time
from musterd.testing.mariadb import MariaDatabase
from musterd.testing.servers import Postgres
from musterd_coordinator.relay.service import running
from tests.contract.cast import Agent, closing_all, host
from tests.contract.database_lab import DatabaseLab
from tests.contract.mariadb_lab import MariaLab
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


class Beaters:
    """Members that beat all the time, and what they were told."""

    def __init__(self, agents: Sequence[Agent], behind: DatabaseLab) -> None:
        self.acknowledged: dict[int, int] = {}
        self.refusals: list[str] = []
        self._agents = agents
        self._behind = behind
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
        records = f"SELECT {self._behind.hex_of('record')} FROM {{beat}} WHERE slot >= 0"
        lines = await anyio.to_thread.run_sync(self._behind.execute, records)
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


async def test_what_was_acknowledged_is_in_the_database(behind_mine: DatabaseLab) -> None:
    """Whenever the database ends the relay's sessions, stops, and comes back: but for a table in memory."""
    [server] = behind_mine.servers
    await behind_mine.make_tables()
    # Who was refused tries again with another number at once: a long time would keep it out for long.
    settings = settings_of(behind_mine.url, push_timeout=2.0)
    async with running(settings) as relay, crowd(store_of(relay)) as agents:
        beaters = Beaters(agents, behind_mine)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beaters.run)
            for _ in range(5):
                await beaters.until_all_beat()
                await anyio.to_thread.run_sync(behind_mine.end_sessions)
                await beaters.check()
            await beaters.until_all_beat()
            await anyio.to_thread.run_sync(server.restart)
            if not behind_mine.forgets_beats:
                await beaters.check()
            await beaters.until_all_beat()
            await beaters.check()
            tasks.cancel_scope.cancel()
    assert any("SERVER_ERROR" in reason for reason in beaters.refusals)


async def test_waits_for_a_database_that_is_not_there(behind_mine: DatabaseLab) -> None:
    [server] = behind_mine.servers
    server.stop()
    settings = settings_of(behind_mine.url)
    async with running(settings) as relay, crowd(store_of(relay), 1) as [agent]:
        with pytest.raises(ShardRefused, match=r"SERVER_ERROR .*connection refused"):
            await agent.tick()
        await anyio.to_thread.run_sync(server.start)
        with pytest.raises(ShardRefused, match="run 'musterd init-db'"):
            await agent.tick()
        await behind_mine.make_tables()
        with in_time(PATIENT):
            await relay.reached()
        await agent.tick()
        assert relay.gauges.reason == ""


async def test_a_hanging_database_is_refused_in_time(behind_mine: DatabaseLab) -> None:
    await behind_mine.make_tables()
    settings = settings_of(behind_mine.url, push_timeout=0.8)
    async with running(settings) as relay, crowd(store_of(relay), 3) as agents:
        await until_all_beat(agents)
        behind_mine.pause()
        for agent in agents:
            agent.sequence += 1
        # The relay's own row may be first in line, and then takes its time.
        with pytest.raises(ShardRefused, match=r"no answer within 0\.8 s|other calls took"):
            await agents[0].push(0, host(0))
        behind_mine.resume()
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


async def test_one_whom_a_constraint_refuses_keeps_nobody_out(maria: MariaDatabase) -> None:
    maria.execute("ALTER TABLE musterd_member ADD CONSTRAINT a_zone CHECK (zone <> 'rack-0')")
    settings = settings_of(MariaLab(maria).url)
    async with running(settings) as relay, crowd(store_of(relay)) as agents:
        agents[17].members = [host(17, zone="rack-0")]
        for _ in range(8):
            failures = await refusals(agents)
        assert list(failures) == [17]
        assert "a_zone" in failures[17]


async def keep_beating(agents: Sequence[Agent]) -> None:
    """Beat as fast as the relay lets them, whether it takes the beats or not."""
    while True:
        await refusals(agents)


async def test_silence_counts_only_while_a_relay_is_at_work(behind: DatabaseLab) -> None:
    """A coordinator's canary does not go by way of a relay."""
    settings = msgspec.structs.replace(settings_of(behind.url), service_down_time=0.5)
    coordinator = coordinator_of(behind.url)

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


async def test_silence_does_not_count_while_a_relay_answers_too_late(behind: DatabaseLab) -> None:
    """Somebody locks members' rows: a canary does not meet that, their beats do."""
    settings = settings_of(behind.url, push_timeout=0.5)
    coordinator = coordinator_of(behind.url)
    async with running(settings) as relay, crowd(store_of(relay), 2) as agents:
        await relay.reached()
        await until_all_beat(agents)
        async with closing_all(coordinator):
            with in_time(PATIENT):
                while not (await coordinator.look()).complete:
                    pass
            [reader] = coordinator.readers
            async with behind.locked(), anyio.create_task_group() as tasks:
                with pytest.raises(ExceptionGroup):
                    await all_beat(agents)
                tasks.start_soon(keep_beating, agents)  # or it would lag for a moment only
                with in_time(PATIENT):
                    while (sweep := await reader.sweep()).complete:
                        pass
                tasks.cancel_scope.cancel()
            assert sweep.reason.startswith("a relay lags: ")
            await until_all_beat(agents)
            with in_time(PATIENT):
                while not (await reader.sweep()).complete:
                    pass
