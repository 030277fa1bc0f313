"""One suite for all homes of the registry, and what is peculiar to each."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from musterd.errors import RegistryError, RegistryRefused
from musterd.model import Facts, Member, State
from musterd.stores.mysql.url import parse_url as mysql_target
from musterd.stores.postgres.url import parse_url
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.registry.mysql import MySqlRegistry
from musterd_coordinator.registry.postgres import PostgresRegistry
from musterd_coordinator.registry.rows import entry_row
from musterd_coordinator.registry.sqlite import SqliteRegistry
from tests.service.registries import (
    T0,
    TIMEOUT,
    by_name,
    change,
    entry,
    loaded,
    opened,
    record,
    set_facts,
)

pytestmark = pytest.mark.usefixtures("tables")


@pytest.fixture
async def registry(url: str) -> AsyncIterator[Registry]:
    async with opened(url) as registry:
        yield registry


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
    await registry.forget([("compute", "a")])
    number = await registry.forget([("compute", "a")])  # since the first it may have been back
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


async def test_a_fleet_is_loaded_in_portions(url: str) -> None:
    entries = [entry(f"h{number:02}") for number in range(9)]
    twin = entry("h04", member=Member("storage", "h04"))
    async with opened(url, at_once=3) as registry:
        await record(registry, [*entries, twin])
        portions = [portion async for portion in registry.load()]
    assert [len(portion) for portion in portions] == [3, 3, 3, 1]
    assert [each for portion in portions for each in portion] == [*entries, twin]


async def test_prune_drops_old_history_only(url: str) -> None:
    changes = [change("a", version) for version in range(1, 11)]
    async with opened(url, at_once=3) as registry:
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


async def test_a_whole_fleet_costs_seconds(url: str) -> None:
    count = 20_000
    entries = [entry(f"host-{number:06}") for number in range(count)]
    changes = [change(each.member.name, 1) for each in entries]
    async with opened(url, timeout=60.0) as registry:
        began = time.process_time()
        await record(registry, entries, changes)
        assert len(await loaded(registry)) == count
        assert time.process_time() - began < 10  # of this process's time; it takes less than one


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
    from musterd_coordinator.registry.base import open_registry

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


def test_all_homes_are_registries() -> None:
    """That is mypy's to check: they are opened by name."""
    homes: list[Registry] = [
        SqliteRegistry(Path("x.db"), "fleet", TIMEOUT),
        PostgresRegistry(parse_url("postgresql://h/d"), "fleet", TIMEOUT),
        MySqlRegistry(mysql_target("mysql://u@h/d"), "fleet", TIMEOUT),
    ]
    assert [home.shared for home in homes] == [False, True, True]
