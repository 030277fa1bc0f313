"""A relay in this process, on real PostgreSQL: what agents are told, and what the database has."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from random import Random

import anyio
import asyncpg
import msgspec
import numpy as np
import pytest

from musterd.beat import Beat, pack, unpack
from musterd.columns import RECORD
from musterd.errors import ConfigError, ShardRefused, StoreError
from musterd.model import Member
from musterd.settings import Settings
from musterd.stores import ShardReader, ShardWriter, Store, open_store
from musterd.stores.postgres_link import Link
from musterd.stores.postgres_schema import init_db
from musterd.stores.postgres_url import parse_url
from musterd.testing.servers import HOST, Database, PgBouncer, Postgres, ServerError, held_port
from musterd_coordinator.relay import database as statements
from musterd_coordinator.relay.main import summary
from musterd_coordinator.relay.service import Relay, running
from musterd_coordinator.relay.waiting import NEXT, Newcomer
from tests.conftest import StartPostgres
from tests.contract import test_store as contract
from tests.contract.cast import Agent, Coordinator, closing_all, host, hosts
from tests.contract.labs import BEAT_TTL, NAMESPACE, Lab

PATIENT = 30.0  # seconds that a push may take where nothing hangs: the machine may be busy


def settings_of(dsn: str, port: int = 0, push_timeout: float = PATIENT) -> Settings:
    """A relay for this database; port 0 is any."""
    return Settings(
        push_timeout=push_timeout,
        store=dsn,
        namespace=NAMESPACE,
        interval=1.0,
        relay_listen=f"{HOST}:{port}",
        relay_period=0.01,
    )


def store_of(*relays: Relay, namespace: str = NAMESPACE, timeout: float = PATIENT) -> Store:
    """The agents' store of these relays."""
    url = f"relay://{','.join(relay.server.address for relay in relays)}"
    return open_store(url, namespace=namespace, timeout=timeout, beat_ttl=BEAT_TTL)


def coordinator_of(dsn: str, name: str = "c1") -> Coordinator:
    """One that reads the database."""
    store = open_store(dsn, namespace=NAMESPACE, timeout=5.0, beat_ttl=BEAT_TTL)
    return Coordinator(store, name)


@pytest.fixture
async def ready(database: Database) -> Database:
    """Give a database with musterd's tables."""
    await init_db(database.dsn, 30.0)
    return database


class RelayLab(Lab):
    """Agents come by way of a relay, coordinators do not."""

    def __init__(self, relay: Relay, dsn: str) -> None:
        self.url = dsn
        self._relay = relay

    def open(
        self, *, namespace: str = NAMESPACE, timeout: float = 5.0, url: str | None = None
    ) -> Store:
        database = super().open(namespace=namespace, timeout=timeout, url=url)
        relayed = store_of(self._relay, namespace=namespace, timeout=timeout)
        return replace(database, driver=_Ways(relayed.driver.writer, database.driver.reader))

    def lose(self, kind: str, member: Member) -> None:
        raise NotImplementedError

    def url_to(self, addresses: Sequence[str]) -> str:
        raise NotImplementedError


@dataclass
class _Ways:
    writer: Callable[[int], ShardWriter]
    reader: Callable[[int, str], ShardReader]


@pytest.mark.parametrize(
    "test",
    [
        contract.test_a_beat_needs_an_announcement,
        contract.test_announcing_again_changes_nothing,
        contract.test_changed_facts_are_seen,
        contract.test_a_coordinator_retires_a_forgotten_member,
        contract.test_two_agents_with_one_name_share_a_slot,
        contract.test_two_agents_with_one_name_do_not_fight_over_its_facts,
        contract.test_one_member_announced_by_many_at_once_gets_one_slot,
        contract.test_coordinators_side_by_side,
        contract.test_closing_is_quiet_before_and_after_use,
        contract.test_a_deadline_too_short_is_a_store_error,
    ],
)
async def test_contract_of_all_stores(
    ready: Database, test: Callable[[Lab], Awaitable[None]]
) -> None:
    async with running(settings_of(ready.dsn)) as relay:
        await test(RelayLab(relay, ready.dsn))


@asynccontextmanager
async def crowd(store: Store, number: int = 40) -> AsyncIterator[list[Agent]]:
    """Agents of one member each, as hosts are."""
    agents = [Agent(store, [host(at)]) for at in range(number)]
    async with closing_all(*agents):
        yield agents


async def all_beat(agents: Sequence[Agent]) -> None:
    """One beat of each, at once. Raises if one fails."""
    async with anyio.create_task_group() as tasks:
        for agent in agents:
            tasks.start_soon(agent.tick)


async def until_all_beat(agents: Sequence[Agent]) -> None:
    """As :func:`all_beat`, at a relay that waits briefly and may be too slow at times."""
    with anyio.fail_after(PATIENT):
        while await refusals(agents):
            pass


async def refusals(agents: Sequence[Agent]) -> dict[int, str]:
    """One beat of each, at once: why those that failed did, by their place."""
    failures: dict[int, str] = {}

    async def tick(at: int) -> None:
        try:
            await agents[at].tick()
        except ShardRefused as error:
            failures[at] = error.reason

    async with anyio.create_task_group() as tasks:
        for at in range(len(agents)):
            tasks.start_soon(tick, at)
    return failures


async def test_many_beats_make_few_statements(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay)) as agents:
        for _ in range(3):
            await all_beat(agents)
        coordinator = coordinator_of(ready.dsn)
        async with closing_all(coordinator):
            look = await coordinator.look()
        assert look.sequences == {member.name: 3 for member in hosts(40)}
        assert relay.gauges.stored == 120
        assert relay.gauges.batches < 60


async def test_through_pgbouncer(ready: Database, pgbouncer: PgBouncer) -> None:
    dsn = pgbouncer.dsn_of(ready.name)
    async with running(settings_of(dsn)) as relay, crowd(store_of(relay)) as agents:
        for _ in range(2):
            await all_beat(agents)
        coordinator = coordinator_of(dsn)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


async def test_an_emptied_table_heals_with_the_next_beat(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay)) as agents:
        await all_beat(agents)
        ready.execute("TRUNCATE musterd.beat")
        await all_beat(agents)
        assert [agent.announcements for agent in agents] == [2] * 40
        coordinator = coordinator_of(ready.dsn)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


async def test_a_restarted_relay_finds_everybody_where_they_were(ready: Database) -> None:
    with held_port() as port:
        settings = settings_of(ready.dsn, port)
        async with running(settings) as relay:
            store = store_of(relay)
        coordinator = coordinator_of(ready.dsn)
        async with crowd(store) as agents, closing_all(coordinator):
            async with running(settings):
                await all_beat(agents)
            await coordinator.look()
            slots = coordinator.seats
            async with running(settings):
                await all_beat(agents)
            look = await coordinator.look()
            assert (look.seated, look.vacated) == ([], [])
            assert look.sequences == {m.name: 2 for m in hosts(40)}
            assert coordinator.seats == slots


async def test_agents_go_on_at_the_other_relay_in_the_same_push(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as left:
        async with running(settings_of(ready.dsn)) as right, crowd(store_of(left, right)) as agents:
            await all_beat(agents)
            assert left.gauges.stored > 0
            assert right.gauges.stored > 0
            await right.stop()
            await all_beat(agents)
            assert left.gauges.stored == 40 + 40 - right.gauges.stored
        coordinator = coordinator_of(ready.dsn)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


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
        with anyio.fail_after(PATIENT):
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
        with anyio.fail_after(PATIENT):
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


def rows_of(beats: Mapping[int, tuple[int, bytes]]) -> statements.Rows:
    """Slots and records by member_id as the writer has them."""
    slots, records = zip(*beats.values(), strict=True)
    ids = np.array(list(beats), np.uint64)
    return statements.Rows(np.array(slots, np.int32), ids, np.frombuffer(b"".join(records), RECORD))


async def test_an_older_beat_does_not_undo_a_newer_one(ready: Database) -> None:
    """Not of the same run, over however many relays; another run's may."""
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        link = Link(parse_url(ready.dsn), PATIENT)
        identity = agent.identity(agent.members[0])

        async def write(sequence: int, incarnation: int = agent.incarnation) -> bool:
            record = pack(Beat(identity, incarnation, sequence, interval_ms=1000))
            [written] = await statements.write(link, rows_of({identity: (0, record)}))
            return bool(written)

        wrap = 2**16
        orders = [(5, 5, True), (6, 5, False), (wrap, wrap - 1, False), (wrap - 1, wrap, True)]
        orders += [(2**63, 2**63 - 3, False), (2**64 - 2, 2**64 - 1, True), (7, 7 + NEXT, True)]
        far = [7 + NEXT + 1, 300, 7 + wrap, 2**22, 2**40 + 8, 2**56 + 7, 2**64 - 2**22]
        orders += [(7, number, False) for number in far]
        orders += [(number, 7, False) for number in far]
        for first, second, taken in orders:
            assert await write(1, incarnation=first + 1)
            assert await write(first)
            assert await write(second) is taken, (first, second)
        link.close()


async def test_any_beat_may_follow_one_that_is_fresh_no_more(ready: Database) -> None:
    """Whatever its number: so nobody is kept out for long by one that was forged."""
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        link = Link(parse_url(ready.dsn), PATIENT)
        identity, sent = agent.identity(agent.members[0]), iter(range(10**6))

        async def write(sequence: int, interval: float) -> bool:
            record = pack(
                Beat(
                    identity, agent.incarnation, sequence, int(interval * 1000), sent_ms=next(sent)
                )
            )
            [written] = await statements.write(link, rows_of({identity: (0, record)}), 600.0)
            return bool(written)

        ages = [(1, 29, True), (100, 149, True), (10**6, 599, True)]  # interval, seconds fresh
        ages = [(interval, at + late, fresh is (late < 0)) for interval, at, fresh in ages
                for late in (-20, 2)]  # fmt: skip
        for interval, age, fresh in [*ages, (100, -3600, False)]:  # the last: a clock set back
            for number in (500, 500 + 2**16, 2**64 - 500):
                ready.execute("UPDATE musterd.beat SET seen_at = now() - interval '1 day'")
                assert await write(number, interval)
                ready.execute(f"UPDATE musterd.beat SET seen_at = now() - interval '{age} s'")
                assert await write(number, interval)  # again and again: that keeps it no fresher
                assert await write(2, 1) is not fresh, (interval, age, number)
        link.close()


async def test_relays_with_the_same_members_never_wait_in_a_ring(ready: Database) -> None:
    members = hosts(400)
    links = [Link(parse_url(ready.dsn), PATIENT) for _ in range(3)]
    newcomers = [Newcomer(NAMESPACE, member, b"") for member in members]
    slots: dict[int, int] = {}

    async def announce(link: Link, seed: int) -> None:
        for _ in range(3):
            mixed = Random(seed).sample(newcomers, len(newcomers))
            found = await statements.announce(link, mixed[:200])
            found |= await statements.announce(link, mixed[200:])
            assert slots.setdefault(seed, len(found)) == len(members)
            assert sorted(found.values()) == list(range(len(members)))

    async def write(link: Link, rows: statements.Rows) -> None:
        for _ in range(10):
            assert (await statements.write(link, rows)).all()

    async with anyio.create_task_group() as tasks:
        for seed, link in enumerate(links):
            tasks.start_soon(announce, link, seed)
    found = await statements.find_seats(links[0], newcomers)
    assert list(found.values()) == list(range(400))
    rows = rows_of({who: (slot or 0, pack(Beat(who, 1, 1, 1000))) for who, slot in found.items()})
    async with anyio.create_task_group() as tasks:
        for link in links:
            tasks.start_soon(write, link, rows)
    for link in links:
        link.close()


async def test_silence_counts_only_while_a_relay_is_at_work(ready: Database) -> None:
    """A coordinator's canary does not go by way of a relay."""
    settings = msgspec.structs.replace(settings_of(ready.dsn), service_down_time=0.5)
    coordinator = coordinator_of(ready.dsn)

    async def until(complete: bool) -> None:
        with anyio.fail_after(PATIENT):
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
            with anyio.fail_after(PATIENT):
                while not (await coordinator.look()).complete:
                    pass
            [reader] = coordinator.readers
            locker = await asyncpg.connect(ready.dsn)
            try:
                async with locker.transaction():
                    await locker.execute("SELECT FROM musterd.beat WHERE slot >= 0 FOR UPDATE")
                    with pytest.raises(ExceptionGroup):
                        await all_beat(agents)
                    with anyio.fail_after(PATIENT):
                        while (sweep := await reader.sweep()).complete:
                            pass
            finally:
                await locker.close()
            assert sweep.reason.startswith("a relay lags: ")
            await until_all_beat(agents)
            with anyio.fail_after(PATIENT):
                while not (await reader.sweep()).complete:
                    pass


async def talk(relay: Relay, text: bytes, replies: int) -> list[bytes]:
    """What the relay answers to ``text``, by lines."""
    heard = b""
    with anyio.fail_after(PATIENT):
        async with await anyio.connect_tcp(relay.server.host, relay.server.port) as stream:
            await stream.send(text)
            while heard.count(b"\r\n") < replies:
                heard += await stream.receive()
    return heard.split(b"\r\n")[:-1]


async def test_replies_keep_their_order(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        agent.sequence = 2
        record = pack(agent.beat_of(host(0)))
        beat = b"replace fleet:b:00000000 0 600 64\r\n%b\r\n" % record
        said = await talk(relay, b"verbosity 1\r\n" + beat + b"get x\r\n" + beat + b"get x\r\n", 5)
        assert said == [b"OK", b"STORED", b"END", b"STORED", b"END"]
        quiet = beat.replace(b"600 64", b"600 64 noreply")
        assert await talk(relay, quiet + b"get x\r\n", 1) == [b"END"]


async def test_counts_what_it_does(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 3) as agents:
        await all_beat(agents)
        ready.execute("TRUNCATE musterd.beat")
        await all_beat(agents)
        lines = await talk(relay, b"stats relay\r\n", 7)
        counts = dict(line.split(b" ", 2)[1:] for line in lines if line.startswith(b"STAT"))
        assert counts[b"beats_stored"] == b"6"
        assert counts[b"beats_not_stored"] == b"3"
        assert counts[b"beats_refused"] == b"0"
        assert counts[b"store_lost"] == b"no"
        assert ", 5 beats/s, last batch " in summary(relay, 5.0)


async def test_what_is_no_beat_is_refused(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay:
        stranger = pack(Beat(7, 1, 1, 1000))
        for verb in (b"set", b"replace"):
            for data in (b"", b"x" * 64, stranger[:63], b"\0" * 64):
                head = b"%b fleet:b:00000000 0 600 %d\r\n" % (verb, len(data))
                said = await talk(relay, head + data + b"\r\nget x\r\n", 2)
                assert said == [b"CLIENT_ERROR bad data chunk: not a beat", b"END"]
        head = b" fleet:b:00000000 0 600 64\r\n"
        said = await talk(relay, b"replace" + head + stranger + b"\r\n", 1)
        assert said == [b"NOT_STORED"]
        said = await talk(relay, b"set" + head + stranger + b"\r\n", 1)
        assert said == [b"SERVER_ERROR nobody announced the member of this beat here"]
        # Whatever a table can hold may be under the keys that say who announced.
        for holder in (b"nonsense", b"\xc0", b""):
            text = b"set fleet:m:00000000 0 0 %d\r\n%b\r\n" % (len(holder), holder)
            said = await talk(relay, text + b"set" + head + stranger + b"\r\n", 2)
            assert said[1].startswith(b"SERVER_ERROR nobody")


async def test_members_who_went_away_leave_nothing_behind(ready: Database) -> None:
    async with running(settings_of(ready.dsn)) as relay, crowd(store_of(relay), 5) as agents:
        await all_beat(agents)
        table, seats = relay.server.table, relay.reception.seats
        stays = agents[4].identity(host(4))
        assert len(seats) == 5
        seats.used[seats.identity != stays] -= BEAT_TTL + 1
        await relay.tidy()
        assert len(seats) == 1
        assert seats.find(stays) is not None
        assert len(table) == 1 + 2 + 1  # counter, the one member's keys, free slots
        newcomers = [Agent(store_of(relay), [host(100 + at)]) for at in range(3)]
        async with closing_all(*newcomers):
            for newcomer in newcomers:
                await newcomer.tick()
            [counter] = table.get((b"fleet:n",))
            assert counter is not None
            assert counter.value == b"5"
        await agents[0].tick()


def test_says_what_it_cannot_work_with() -> None:
    with pytest.raises(ConfigError, match="a relay writes to PostgreSQL and the store is memc"):
        Relay(settings_of("memcached://h1"))
