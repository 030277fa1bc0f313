"""One suite for both homes of the registry, and what is peculiar to each."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import asyncpg
import msgspec
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from musterd.errors import ConfigError, RegistryError, RegistryRefused
from musterd.model import Facts, Member, State, Transition
from musterd.stores.postgres_url import parse_url
from musterd.testing.servers import Database
from musterd_coordinator.registry import Entry, Gone, Registry, open_registry
from musterd_coordinator.registry_postgres import PostgresRegistry
from musterd_coordinator.registry_rows import entry_row, transition_row
from musterd_coordinator.registry_sqlite import SqliteRegistry
from tests.conftest import StartPgBouncer, StartPostgres

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TIMEOUT = 5.0


def open_at(url: str, namespace: str = "fleet", timeout: float = TIMEOUT) -> Registry:
    return open_registry(url, namespace=namespace, timeout=timeout)


@asynccontextmanager
async def opened(
    url: str,
    namespace: str = "fleet",
    timeout: float = TIMEOUT,  # noqa: ASYNC109
) -> AsyncIterator[Registry]:
    registry = open_at(url, namespace, timeout)
    await registry.open()
    try:
        yield registry
    finally:
        await registry.aclose()


@pytest.fixture(params=["sqlite", "postgresql", "pgbouncer"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/musterd.db"
    database: Database = request.getfixturevalue("database")
    if request.param == "postgresql":
        return database.dsn
    start: StartPgBouncer = request.getfixturevalue("start_pgbouncer")
    return start(database.server, default_pool_size=2).dsn_of(database.name)


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Registry]:
    async with opened(url) as registry:
        yield registry


def entry(name: str, state: State = State.UP, **changes: object) -> Entry:
    member = Member("compute", name, "z1", "ö", {"rack": "r 7", "ünï": '"{}"'})
    day_before = T0 - timedelta(days=1)
    plain = Entry(member, Facts(), state, "first beat", T0, day_before, 10.0)
    return msgspec.structs.replace(plain, **changes)


def change(
    name: str, version: int, old: State = State.UP, new: State = State.DOWN, reason: str = "silent"
) -> Transition:
    return Transition(version, T0 + timedelta(minutes=version), "compute", name, old, new, reason)


async def loaded(registry: Registry) -> list[Entry]:
    return [each async for portion in registry.load() for each in portion]


async def record(
    registry: Registry, entries: Iterable[Entry], changes: Iterable[Transition] = ()
) -> None:
    await registry.record([*map(entry_row, entries)], [*map(transition_row, changes)])


async def set_facts(registry: Registry, name: str, facts: Facts, group: str = "compute") -> Facts:
    return await registry.change_facts(group, name, lambda _: facts)


def gone(news: Sequence[Entry | Gone]) -> list[tuple[str, str]]:
    return [(each.group, each.name) for each in news if isinstance(each, Gone)]


def by_name(entries: object) -> dict[str, Entry]:
    assert isinstance(entries, list)
    return {each.member.name: each for each in entries}


async def test_an_empty_registry(registry: Registry) -> None:
    assert await loaded(registry) == []
    assert list(await registry.changed()) == []
    assert list(await registry.history("compute", "a", 10)) == []
    assert await registry.prune(T0) == 0
    await record(registry, [])


async def test_what_is_recorded_is_loaded_again(url: str) -> None:
    entries = [
        entry("a"),
        entry("b", State.LEFT, facts=Facts("z9", "me", {"k": "v"}, True, "why", True, "so")),
        entry("c", member=Member("storage", "c"), interval=0.25),
    ]
    async with opened(url) as registry:
        await record(registry, entries)
    async with opened(url) as registry:
        assert by_name(await loaded(registry)) == {each.member.name: each for each in entries}


async def test_recording_again_saves_states_and_not_facts(registry: Registry) -> None:
    await record(registry, [entry("a")])
    facts = Facts(disabled=True, disabled_reason="disk")
    await set_facts(registry, "a", facts)
    later = entry(
        *("a", State.DOWN),
        member=Member("compute", "a", "z2"),
        first_seen=T0,
        since=T0 + timedelta(seconds=1),
        reason="silent",
        interval=2.5,
    )
    await record(registry, [later])
    expected = msgspec.structs.replace(later, facts=facts, first_seen=entry("a").first_seen)
    assert await loaded(registry) == [expected]


async def test_facts_of_an_unknown_member_are_refused(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="knows no member compute/nobody"):
        await set_facts(registry, "nobody", Facts(disabled=True))


async def test_forgotten_members_are_gone_and_may_come_back(registry: Registry) -> None:
    await record(registry, [entry("a"), entry("b")], [change("a", 1)])
    await set_facts(registry, "a", Facts(forced_down=True))
    number = await registry.forget([("compute", "a")])
    await registry.forget([("compute", "a")])
    assert list(by_name(await loaded(registry))) == ["b"]
    assert len(await registry.history("compute", "a", 10)) == 1
    with pytest.raises(RegistryError):
        await set_facts(registry, "a", Facts(disabled=True))
    anew = entry("a", first_seen=T0 + timedelta(hours=1))
    await registry.record([entry_row(anew)], [], [number])
    assert by_name(await loaded(registry))["a"] == anew


async def test_an_order_changes_what_is_there_and_no_order_writes_nothing(
    registry: Registry,
) -> None:
    await record(registry, [entry("a")])
    await registry.change_facts("compute", "a", lambda facts: replace(facts, zone="z9"))
    after = await registry.change_facts("compute", "a", lambda facts: replace(facts, owner="me"))
    assert after == Facts(zone="z9", owner="me")
    await registry.changed()
    assert await registry.change_facts("compute", "a", lambda facts: facts) == after
    assert list(await registry.changed()) == []


async def test_history_is_in_the_order_of_recording_whatever_clocks_said(
    registry: Registry,
) -> None:
    later, earlier = change("a", 100), change("a", 2, State.DOWN, State.UP, "beats again")
    await record(registry, [entry("a")], [later])
    await record(registry, [entry("a")], [earlier])
    lines = await registry.history("compute", "a", 9)
    assert [line.version for line in lines] == [2, 100]
    assert await registry.newest() == earlier.at


async def test_what_cannot_be_kept_is_refused_and_nothing_else_is(registry: Registry) -> None:
    odd = entry("odd", member=Member("compute", "odd", "\ud800"))
    with pytest.raises(RegistryRefused):
        await record(registry, [entry("a"), odd], [change("a", 1)])
    await record(registry, [entry("a")], [change("a", 1)])
    assert list(by_name(await loaded(registry))) == ["a"]


async def test_history_is_newest_first_and_limited(registry: Registry) -> None:
    changes = [change("a", version) for version in range(1, 8)]
    await record(registry, [entry("a")], changes[:4])
    await record(registry, [], [*changes[4:], change("b", 9)])
    assert list(await registry.history("compute", "a", 100)) == changes[::-1]
    assert list(await registry.history("compute", "a", 2)) == changes[:-3:-1]
    assert list(await registry.history("compute", "none", 2)) == []


async def test_recording_the_same_again_does_not_repeat_history(registry: Registry) -> None:
    changes = [change("a", 1), change("a", 2, State.DOWN, State.UP, "beats again")]
    for _ in range(3):
        await record(registry, [entry("a")], changes)
    assert list(await registry.history("compute", "a", 10)) == changes[::-1]


async def test_a_fleet_is_loaded_in_portions(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home, batch in (("sqlite", "LOAD_BATCH"), ("postgres", "PAGE")):
        monkeypatch.setattr(f"musterd_coordinator.registry_{home}.{batch}", 3)
    entries = [entry(f"h{number:02}") for number in range(9)]
    twin = entry("h04", member=Member("storage", "h04"))
    await record(registry, [*entries, twin])
    portions = [portion async for portion in registry.load()]
    assert [len(portion) for portion in portions] == [3, 3, 3, 1]
    assert [each for portion in portions for each in portion] == [*entries, twin]


async def test_prune_drops_old_history_only(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for home, batch in (("sqlite", "PRUNE_BATCH"), ("postgres", "BATCH")):
        monkeypatch.setattr(f"musterd_coordinator.registry_{home}.{batch}", 3)
    changes = [change("a", version) for version in range(1, 11)]
    await record(registry, [entry("a")], changes)
    assert await registry.prune(changes[7].at) == 7
    assert list(await registry.history("compute", "a", 100)) == changes[:6:-1]
    assert await registry.prune(changes[7].at) == 0


async def test_namespaces_do_not_meet(registry: Registry, url: str) -> None:
    await record(registry, [entry("a")], [change("a", 1)])
    await registry.aclose()
    async with opened(url, "other") as other:
        assert await loaded(other) == []
        assert list(await other.history("compute", "a", 9)) == []
        assert await other.prune(T0 + timedelta(days=9)) == 0
        await other.forget([("compute", "a")])
    async with opened(url) as again:
        assert list(by_name(await loaded(again))) == ["a"]


async def test_a_whole_fleet_in_seconds(registry: Registry) -> None:
    count = 20_000
    entries = [entry(f"host-{number:06}") for number in range(count)]
    begin = time.perf_counter()
    await record(registry, entries, [change(each.member.name, 1) for each in entries])
    assert len(await loaded(registry)) == count
    assert time.perf_counter() - begin < 30  # takes about one; the figure is for a busy machine


async def test_cancelled_at_any_moment_the_next_call_is_right(registry: Registry) -> None:
    await record(registry, [entry("a")])
    for number in range(1, 41):
        facts = Facts(disabled=True, disabled_reason=str(number))
        calls = (
            lambda: set_facts(registry, "a", Facts()),
            lambda: record(registry, [entry("a")], [change("a", number)]),  # noqa: B023
            lambda: loaded(registry),
            registry.changed,
        )
        with anyio.move_on_after(0.0002 * (number % 13)):
            await calls[number % 4]()
        await set_facts(registry, "a", facts)
        assert by_name(await loaded(registry))["a"].facts == facts


# Facts that were acknowledged survive whatever happens to the coordinator.

_WRITER = """
    import anyio, sys
    from musterd.model import Facts
    from musterd_coordinator.registry import open_registry

    async def main():
        registry = open_registry(sys.argv[1], namespace="fleet", timeout=5)
        await registry.open()
        for number in range(int(sys.argv[2]), 1_000_000):
            facts = Facts(disabled=True, disabled_reason=str(number))
            await registry.change_facts("compute", "a", lambda _: facts)
            print(number, flush=True)

    anyio.run(main)
"""


async def test_acknowledged_facts_survive_kill_9(url: str) -> None:
    async with opened(url) as registry:
        await record(registry, [entry("a")])
    acknowledged = 0
    for delay in (0.0, 0.013, 0.031):
        acknowledged = await anyio.to_thread.run_sync(_write_and_kill, url, acknowledged, delay)
        async with opened(url) as registry:
            (kept,) = await loaded(registry)
            assert kept.facts.disabled
            assert int(kept.facts.disabled_reason) in (acknowledged, acknowledged + 1)


def _write_and_kill(url: str, number: int, delay: float) -> int:
    """Let a process change facts, kill it; the last change that it was told is durable."""
    command = [sys.executable, "-c", textwrap.dedent(_WRITER), url, str(number + 1)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        lines = [writer.stdout.readline() for _ in range(3)]
        time.sleep(delay)  # where in its work the process dies
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
    return int([line for line in lines if line][-1])


# PostgreSQL, shared


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
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musterd_coordinator.registry_postgres.BATCH", 2)
    names = [f"h{number}" for number in range(7)]
    async with opened(database.dsn) as one:
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
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of transactions sort as numbers: 99 before 100."""
    monkeypatch.setattr("musterd_coordinator.registry_postgres.PAGE", 2)
    names = [f"h{number}" for number in range(9)]
    async with opened(database.dsn) as one:
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
    async with opened(server.dsn, timeout=3.0) as registry:
        await record(registry, [entry("a")])
        server.kill()
        with pytest.raises(RegistryError, match=r"registry 127\.0\.0\.1"):
            await registry.changed()
        with pytest.raises(RegistryError):  # the connection of batches is found lost, or closed
            await loaded(registry)
        with pytest.raises(RegistryError, match="connection refused"):
            await loaded(registry)
        server.start()
        with anyio.fail_after(10):
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


# SQLite, alone


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_relative_and_absolute_files(folder: Path) -> None:
    async with opened("sqlite:///here.db") as registry:
        await record(registry, [entry("a")])
    async with opened(f"sqlite:///{folder}/here.db") as registry:
        assert list(by_name(await loaded(registry))) == ["a"]


@pytest.mark.parametrize(
    "url",
    [
        *("sqlite:", "sqlite://host/x.db", "sqlite:///", "sqlite:////", "sqlite:///:memory:"),
        *("sqlite:///x.db?mode=ro", "sqlite:///dir/"),
    ],
)
def test_urls_that_name_no_file_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write sqlite:///relative\.db"):
        open_at(url)


async def refusal(url: str) -> str:
    registry = open_at(url)
    with pytest.raises(RegistryError) as refused:
        await registry.open()
    await registry.aclose()
    return str(refused.value)


async def test_every_commit_reaches_the_disk(folder: Path) -> None:
    """No test can cut the power; SQLite's manual says which settings survive it."""
    registry = SqliteRegistry(folder / "x.db", "fleet", TIMEOUT)
    await registry.open()
    settings = [
        registry._db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "journal_mode", "locking_mode")
    ]
    await registry.aclose()
    assert settings == [2, "wal", "exclusive"]  # 2 is FULL


async def test_a_file_belongs_to_one_coordinator(folder: Path) -> None:
    url = "sqlite:///musterd.db"
    async with opened(url):
        assert "another coordinator runs on it" in await refusal(url)
        script = f"""
            import sqlite3
            sqlite3.connect({str(folder / "musterd.db")!r}, timeout=0).execute("SELECT * FROM member")
        """
        other = await anyio.run_process(
            [sys.executable, "-c", textwrap.dedent(script)], check=False
        )
        assert b"database is locked" in other.stderr
    async with opened(url):
        pass


async def test_files_that_cannot_be_used_are_refused_in_words(folder: Path) -> None:
    assert "there is no folder" in await refusal("sqlite:///nowhere/x.db")
    (folder / "is_a_folder").mkdir()
    assert "cannot write it" in await refusal("sqlite:///is_a_folder")
    (folder / "text").write_text("not a database at all, but a longer text than a header\n" * 40)
    assert "not a SQLite database" in await refusal("sqlite:///text")
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    assert "another program's database" in await refusal("sqlite:///other.db")


async def test_a_newer_file_is_refused(folder: Path) -> None:
    async with opened("sqlite:///x.db"):
        pass
    with sqlite3.connect(folder / "x.db") as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    assert "version 9, made by a newer musterd" in await refusal("sqlite:///x.db")


_DAMAGES = (
    *("state = 'sideways'", "since = 'yesterday'", "since = '2026-01-01'", "interval_s = 9e999"),
    *("interval_s = 'x'", "facts = 'x'", "metadata = '[1]'", "zone = x'fffe'", "name = x'fffe'"),
    *("zone = CAST(x'fffe' AS TEXT)", "interval_s = -1", "reason = 7e77", "\"group\" = x'00ff'"),
)


async def test_a_damaged_row_is_left_out_and_named_once(folder: Path) -> None:
    names = [f"h{number:02}" for number in range(len(_DAMAGES) + 1)]
    async with opened("sqlite:///x.db") as registry:
        await record(registry, map(entry, names), [change(names[-1], 1)])
    with sqlite3.connect(folder / "x.db") as database:
        for name, damage in zip(names, _DAMAGES, strict=False):
            database.execute(f"UPDATE member SET {damage} WHERE name = '{name}'")
        database.execute(
            "INSERT INTO history SELECT 99, namespace, 7, 'x', \"group\", name,"
            " old, new, reason, coordinator FROM history"
        )
    database.close()
    with capture_logs() as lines:
        async with opened("sqlite:///x.db") as registry:
            for _ in range(2):
                healed = by_name(await loaded(registry))
                assert len(await registry.history("compute", names[-1], 9)) == 1
    assert names[-1] in healed
    damaged = [line for line in lines if line["event"] == "registry row damaged"]
    assert len(damaged) == len({line["name"] for line in damaged}) == len(registry.quarantine)
    assert len(names) - len(healed) in (len(damaged) - 1, len(damaged) - 2)
    assert len(healed) <= 2  # a number may be text that can be read


async def test_damaged_rows_do_not_hide_those_behind_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musterd_coordinator.registry_sqlite.LOAD_BATCH", 3)
    names = [f"h{number:02}" for number in range(12)]
    async with opened("sqlite:///x.db") as registry:
        await record(registry, map(entry, names))
    with sqlite3.connect(folder / "x.db") as database:
        database.execute("UPDATE member SET facts = 'x' WHERE name BETWEEN 'h03' AND 'h08'")
    database.close()
    async with opened("sqlite:///x.db") as registry:
        assert list(by_name(await loaded(registry))) == [*names[:3], *names[9:]]


async def test_a_file_is_for_its_owner_alone_and_shown_where_it_is(folder: Path) -> None:
    async with opened("sqlite:///x.db") as registry:
        assert registry.url == f"sqlite:///{folder}/x.db"
        await record(registry, [entry("a")])
        modes = [file.stat().st_mode & 0o777 for file in folder.glob("x.db*")]  # noqa: ASYNC240
        assert set(modes) == {0o600}
        assert len(modes) >= 2  # with its journal


async def test_a_file_of_the_version_before_is_upgraded(folder: Path) -> None:
    async with opened("sqlite:///x.db") as registry:
        await record(registry, [entry("a")], [change("a", 1)])
    with sqlite3.connect(folder / "x.db") as database:
        database.executescript(
            "ALTER TABLE history DROP COLUMN coordinator; PRAGMA user_version = 1"
        )
    database.close()
    async with opened("sqlite:///x.db") as registry:
        assert list(await registry.history("compute", "a", 9)) == [change("a", 1)]
        assert list(by_name(await loaded(registry))) == ["a"]


async def test_a_disk_that_hangs_is_given_up_and_the_next_call_waits_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = threading.Event()

    def hang(_: object) -> str:
        disk.wait(10)
        return ""

    async with opened("sqlite:///x.db", timeout=0.3) as registry:
        await record(registry, [entry("a")])
        with monkeypatch.context() as patched:
            patched.setattr("musterd_coordinator.registry_sqlite.as_value", hang)
            for call in (record(registry, [entry("a")]), loaded(registry)):
                with pytest.raises(RegistryError, match="is the disk stuck"):
                    await call
        disk.set()
        assert list(by_name(await loaded(registry))) == ["a"]


def test_both_homes_are_registries() -> None:
    """mypy's to check: they are opened by name."""
    homes: list[Registry] = [
        SqliteRegistry(Path("x.db"), "fleet", TIMEOUT),
        PostgresRegistry(parse_url("postgresql://h/d"), "fleet", TIMEOUT),
    ]
    assert [home.shared for home in homes] == [False, True]


async def test_coordinators_leave_word_for_each_other(database: Database) -> None:
    one = PostgresRegistry(parse_url(database.dsn), "fleet", TIMEOUT, "c1")
    two = PostgresRegistry(parse_url(database.dsn), "fleet", TIMEOUT, "c2")
    await one.open()
    assert await one.report('{"n": 1}') == []
    ((name, age, text),) = await two.report('{"n": 2}')
    assert (name, text) == ("c1", '{"n": 1}')
    assert 0 <= age < TIMEOUT
    assert [name for name, _, _ in await one.report('{"n": 3}')] == ["c2"]
    for each in (one, two):
        await each.aclose()
