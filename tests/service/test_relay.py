"""A relay in this process, on real databases: what agents are told, and what the database has."""

import anyio
import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from musterd.beat import Beat, pack
from musterd.errors import ConfigError
from musterd.testing.busy import in_time
from musterd.testing.servers import HOST, Database, PgBouncer, held_port
from musterd_coordinator.relay.main import summary
from musterd_coordinator.relay.service import RelayService, running
from tests.contract.cast import Agent, closing_all, host, hosts
from tests.contract.database_lab import DatabaseLab
from tests.contract.labs import BEAT_TTL
from tests.service.relay_fleet import all_beat, coordinator_of, crowd, settings_of, store_of, talk


async def test_many_beats_make_few_statements(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay)) as agents:
        for _ in range(3):
            await all_beat(agents)
        coordinator = coordinator_of(behind.url)
        async with closing_all(coordinator):
            look = await coordinator.look()
        assert look.sequences == {member.name: 3 for member in hosts(40)}
        assert relay.gauges.stored == 120
        assert relay.gauges.batches < 60


async def test_prometheus_reads_what_a_relay_does(behind: DatabaseLab) -> None:
    settings = replace(settings_of(behind.url), relay_metrics=f"{HOST}:0")
    async with running(settings) as relay, crowd(store_of(relay)) as agents:
        await all_beat(agents)
        assert relay.page is not None
        with in_time(5):
            async with await anyio.connect_tcp(HOST, relay.page.port) as stream:
                await stream.send(b"GET /metrics HTTP/1.1\r\nhost: r1\r\n\r\n")
                answer = b"".join([part async for part in stream]).decode()
    told = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.partition("\r\n\r\n")[2])
        for sample in family.samples
    }
    assert told["musterd_relay_connections",] == told["musterd_relay_members",] == 40
    assert told["musterd_relay_beats_stored_total",] == 40
    assert told["musterd_relay_waiting", "beats"] == 0
    assert told["musterd_relay_store_ok", "newcomers"] == 1
    batches = told["musterd_relay_batches_total",]
    assert told["musterd_relay_write_seconds_count",] == batches > 0
    assert told["musterd_relay_write_seconds_bucket", "+Inf"] == batches


async def test_through_pgbouncer(ready: Database, pgbouncer: PgBouncer) -> None:
    dsn = pgbouncer.dsn_of(ready.name)
    async with running(settings_of(dsn)) as relay, crowd(store_of(relay)) as agents:
        for _ in range(2):
            await all_beat(agents)
        coordinator = coordinator_of(dsn)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


async def test_an_emptied_table_heals_with_the_next_beat(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay)) as agents:
        await all_beat(agents)
        behind.execute("TRUNCATE {beat}")
        await all_beat(agents)
        assert [agent.announcements for agent in agents] == [2] * 40
        coordinator = coordinator_of(behind.url)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


async def test_a_restarted_relay_finds_everybody_where_they_were(behind: DatabaseLab) -> None:
    with held_port() as port:
        settings = settings_of(behind.url, port)
        async with running(settings) as relay:
            store = store_of(relay)
        coordinator = coordinator_of(behind.url)
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


async def test_agents_go_on_at_the_other_relay_in_the_same_push(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as left:
        async with (
            running(settings_of(behind.url)) as right,
            crowd(store_of(left, right)) as agents,
        ):
            await all_beat(agents)
            assert left.gauges.stored > 0
            assert right.gauges.stored > 0
            await right.stop()
            await all_beat(agents)
            assert left.gauges.stored == 40 + 40 - right.gauges.stored
        coordinator = coordinator_of(behind.url)
        async with closing_all(coordinator):
            assert (await coordinator.look()).sequences == {m.name: 2 for m in hosts(40)}


async def test_replies_keep_their_order(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay), 1) as [agent]:
        await agent.tick()
        agent.sequence = 2
        record = pack(agent.beat_of(host(0)))
        beat = b"replace fleet:b:00000000 0 600 64\r\n%b\r\n" % record
        said = await talk(relay, b"verbosity 1\r\n" + beat + b"get x\r\n" + beat + b"get x\r\n", 5)
        assert said == [b"OK", b"STORED", b"END", b"STORED", b"END"]
        quiet = beat.replace(b"600 64", b"600 64 noreply")
        assert await talk(relay, quiet + b"get x\r\n", 1) == [b"END"]


async def test_counts_what_it_does(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay), 3) as agents:
        await all_beat(agents)
        behind.execute("TRUNCATE {beat}")
        await all_beat(agents)
        lines = await talk(relay, b"stats relay\r\n", 7)
        counts = dict(line.split(b" ", 2)[1:] for line in lines if line.startswith(b"STAT"))
        assert counts[b"beats_stored"] == b"6"
        assert counts[b"beats_not_stored"] == b"3"
        assert counts[b"beats_refused"] == b"0"
        assert counts[b"store_lost"] == b"no"
        assert ", 5 beats/s, last batch " in summary(relay, 5.0)


async def test_what_is_no_beat_is_refused(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay:
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


async def test_members_who_went_away_leave_nothing_behind(behind: DatabaseLab) -> None:
    async with running(settings_of(behind.url)) as relay, crowd(store_of(relay), 5) as agents:
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
    with pytest.raises(
        ConfigError, match="a relay writes to PostgreSQL or MariaDB and the store is memc"
    ):
        RelayService(settings_of("memcached://h1"))
