"""A registry in PostgreSQL, which several coordinators share."""

from datetime import timedelta

import anyio
import asyncpg
import msgspec
import pytest

from musterd.errors import RegistryError
from musterd.model import Facts, State
from musterd.stores.postgres.url import parse_url
from musterd.testing.busy import allowed_now, in_time
from musterd.testing.servers import Database
from musterd_coordinator.registry.base import Gone, Registry, open_registry
from musterd_coordinator.registry.postgres import PostgresRegistry
from musterd_coordinator.registry.rows import entry_row
from tests.conftest import StartPostgres
from tests.service.registries import (
    T0,
    TIMEOUT,
    by_name,
    change,
    entry,
    gone,
    loaded,
    open_at,
    opened,
    record,
    set_facts,
)


async def test_coordinators_hear_of_each_other(database: Database) -> None:
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        for each in (one, two):
            assert await loaded(each) == []
        await record(one, [entry("a"), entry("b")])
        assert list(await one.changed()) == []
        assert set(by_name(await two.changed())) == {"a", "b"}
        assert list(await two.changed()) == []
        facts = Facts(forced_down=True, forced_down_reason="fire")
        await set_facts(two, "a", facts)
        assert [each.facts for each in by_name(await one.changed()).values()] == [facts]
        await record(two, [entry("a", State.DOWN)])  # a state alone is nobody else's business
        assert list(await one.changed()) == []
        await one.forget([("compute", "b")])
        assert gone(await two.changed()) == [("compute", "b")]
        assert list(await two.changed()) == []


async def test_the_writer_hears_of_facts_too(database: Database) -> None:
    """Orders of two coordinators that cross leave both with the last one."""
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        await record(one, [entry("a")])
        await one.changed()
        await set_facts(two, "a", Facts(zone="two"))
        await set_facts(one, "a", Facts(zone="one"))
        for each in (one, two):
            assert by_name(await each.changed())["a"].facts.zone == "one"


async def test_changes_committed_late_are_not_missed(database: Database) -> None:
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        await record(one, [entry("a"), entry("b")])
        await loaded(two)
        late = await asyncpg.connect(database.dsn)
        transaction = late.transaction()
        await transaction.start()
        await late.execute(
            "UPDATE musterd.registry SET facts = '{\"disabled\": true}',"
            " changed = pg_current_xact_id(), changed_by = 0 WHERE name = 'a'"
        )
        await set_facts(one, "b", Facts(zone="x"))
        assert list(by_name(await two.changed())) == ["b"]
        assert list(await two.changed()) == []
        await transaction.commit()
        await late.close()
        assert by_name(await two.changed())["a"].facts == Facts(disabled=True)
        assert list(await two.changed()) == []


async def test_one_change_seen_by_two_coordinators_is_one_line(database: Database) -> None:
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        down, up = change("a", 1), change("a", 2, State.DOWN, State.UP, "beats again")
        note = change("a", 3, State.UP, State.UP, "disabled: disk")
        await record(one, [entry("a")], [down, up, note])
        seen_later = [
            msgspec.structs.replace(each, version=50 + n, at=each.at + timedelta(seconds=2))
            for n, each in enumerate((down, up))
        ]
        other_note = msgspec.structs.replace(note, version=52, reason="zone: z9")
        again = change("a", 9)
        await record(two, [entry("a")], [*seen_later, other_note, again])
        lines = [(each.version, each.reason) for each in await one.history("compute", "a", 99)]
        assert lines == [
            *((9, "silent"), (52, "zone: z9")),
            *((3, "disabled: disk"), (2, "beats again"), (1, "silent")),
        ]


async def test_only_who_knows_of_a_forgetting_brings_its_member_back(database: Database) -> None:
    async with opened(database.dsn) as one, opened(database.dsn) as two:
        await record(one, [entry("a")])
        await loaded(two)
        number = await one.forget([("compute", "a")])
        late = entry("a", State.DOWN, since=T0 + timedelta(days=1), first_seen=T0)
        await record(two, [late])
        assert await loaded(one) == []
        assert await two.changed() == [Gone("compute", "a", number)]
        assert list(await two.changed()) == []
        assert await two.lacking([("compute", "a"), ("compute", "b")]) == [
            Gone("compute", "a", number),
            Gone("compute", "b", 0),
        ]
        await two.record([entry_row(late)], [], [number])
        assert by_name(await one.changed()) == {"a": late}
        assert await two.lacking([("compute", "a")]) == []
        assert await two.look_up([("compute", "a"), ("compute", "b")]) == [late]


async def test_the_forgotten_are_not_read_at_a_start_and_go_after_a_while(
    database: Database,
) -> None:
    names = [f"h{number}" for number in range(7)]
    async with opened(database.dsn, at_once=2) as one:
        await record(one, map(entry, names))
        await one.forget([("compute", name) for name in names[:5]])
        assert list(by_name(await loaded(one))) == names[5:]
        rows = "SELECT count(*) FROM musterd.registry"
        await one.prune_forgotten(timedelta(minutes=1))
        assert int(database.execute(rows)) == 7
        await one.prune_forgotten(timedelta())
        assert int(database.execute(rows)) == 2


async def test_a_death_found_late_by_another_coordinator_is_no_second_one(
    database: Database,
) -> None:
    one = open_registry(database.dsn, namespace="fleet", timeout=TIMEOUT, coordinator="c1")
    two = open_registry(database.dsn, namespace="fleet", timeout=TIMEOUT, coordinator="c2")
    for each in (one, two):
        await each.open()
    await record(one, [entry("a", State.DOWN)], [change("a", 1)])
    late = [change("a", 7), change("a", 8, State.DOWN, State.UP, "beats again")]
    await record(two, [entry("a", State.DOWN)], late[:1])  # six minutes later
    await record(one, [entry("a", State.UP)], [change("a", 9, State.DOWN, State.UP, "beats again")])
    await record(two, [entry("a", State.UP)], late[1:])
    order = change("a", 9, State.UP, State.UP, "operator: disabled")
    await record(one, [], [order])
    await record(two, [], [order])  # another operator said the same
    lines = await one.history("compute", "a", 9)
    assert [(line.new, line.coordinator) for line in reversed(lines)] == [
        *((State.DOWN, "c1"), (State.UP, "c1")),
        *((State.UP, "c1"), (State.UP, "c2")),
    ]
    for each in (one, two):
        await each.aclose()


async def test_changes_in_pages_come_in_the_order_of_transactions(
    database: Database,
) -> None:
    """Numbers of transactions sort as numbers: 99 before 100."""
    names = [f"h{number}" for number in range(9)]
    async with opened(database.dsn, at_once=2) as one:
        await record(one, [entry(name) for name in names])
        for number, name in enumerate(names):
            database.execute(
                f"UPDATE musterd.registry SET changed = '{96 + number}' WHERE name = '{name}'"
            )
        assert [each.member.name for each in await loaded(one)] == names


async def test_two_coordinators_record_everybody_at_once(database: Database) -> None:
    names = [f"h{number}" for number in range(3000)]
    async with opened(database.dsn) as one, opened(database.dsn) as two:

        async def record_in(registry: Registry, order: int) -> None:
            ordered = names[::order]
            await record(registry, [entry(n) for n in ordered], [change(n, 1) for n in ordered])

        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(record_in, one, 1)
                tasks.start_soon(record_in, two, -1)
        assert len(await loaded(one)) == 3000
        assert len(await one.history("compute", "h7", 99)) == 1


async def test_a_server_that_is_away_is_an_error_in_words(start_postgres: StartPostgres) -> None:
    server = start_postgres()
    async with opened(server.dsn, timeout=allowed_now(3.0)) as registry:
        await record(registry, [entry("a")])
        server.kill()
        with pytest.raises(RegistryError, match=r"registry 127\.0\.0\.1"):
            await registry.changed()
        with pytest.raises(RegistryError):  # the connection of batches is found lost, or closed
            await loaded(registry)
        with pytest.raises(RegistryError, match="connection refused"):
            await loaded(registry)
        server.start()
        with in_time(10):
            while True:
                try:
                    assert list(by_name(await loaded(registry))) == ["a"]
                    break
                except RegistryError:
                    await anyio.sleep(0.05)


async def test_registry_without_rights_says_so(database: Database) -> None:
    role = f"{database.name}_r"
    database.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        registry = open_at(database.server.dsn_of(database.name, role, "pw"))
        with pytest.raises(RegistryError, match="musterd init-db --print"):
            await registry.open()
        await registry.aclose()
    finally:
        database.execute(f"DROP ROLE {role}")


async def test_coordinators_leave_word_for_each_other(database: Database) -> None:
    one = PostgresRegistry(parse_url(database.dsn), "fleet", TIMEOUT, "c1")
    two = PostgresRegistry(parse_url(database.dsn), "fleet", TIMEOUT, "c2")
    await one.open()
    assert await one.exchange_reports('{"n": 1}') == []
    ((name, age, text),) = await two.exchange_reports('{"n": 2}')
    assert (name, text) == ("c1", '{"n": 1}')
    assert 0 <= age < TIMEOUT
    assert [name for name, _, _ in await one.exchange_reports('{"n": 3}')] == ["c2"]
    for each in (one, two):
        await each.aclose()
