"""Registries opened by URL, and what tests write into them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from musterd.model import Facts, Member, State, Transition
from musterd.stores.mysql.url import parse_url as mysql_target
from musterd.stores.postgres.url import parse_url
from musterd_coordinator.registry.base import Entry, Gone, Registry, open_registry
from musterd_coordinator.registry.mysql import MySqlRegistry
from musterd_coordinator.registry.postgres import PostgresRegistry
from musterd_coordinator.registry.rows import entry_row, transition_row
from musterd_coordinator.registry.sqlite import SqliteRegistry

T0 = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
TIMEOUT = 5.0


def open_at(
    url: str, namespace: str = "fleet", timeout: float = TIMEOUT, coordinator: str = ""
) -> Registry:
    return open_registry(url, namespace=namespace, timeout=timeout, coordinator=coordinator)


@asynccontextmanager
async def opened(
    url: str,
    namespace: str = "fleet",
    timeout: float = TIMEOUT,  # noqa: ASYNC109
    *,
    at_once: int | None = None,
    coordinator: str = "",
) -> AsyncIterator[Registry]:
    """A registry, which reads and prunes ``at_once`` rows at a time."""
    registry = (
        open_at(url, namespace, timeout, coordinator) if at_once is None else _small(url, at_once)
    )
    await registry.open()
    try:
        yield registry
    finally:
        await registry.aclose()


def _small(url: str, rows: int) -> Registry:
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        return SqliteRegistry(path, "fleet", TIMEOUT, page=rows, batch=rows)
    if url.startswith("mysql:"):
        return MySqlRegistry(mysql_target(url), "fleet", TIMEOUT, page=rows, batch=rows)
    return PostgresRegistry(parse_url(url), "fleet", TIMEOUT, page=rows, batch=rows)


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
