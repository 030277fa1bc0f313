"""The history of many members: pages and counts, alike in all homes of the registry."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from musterd.model import State, Transition
from musterd_coordinator.registry.base import Registry
from musterd_coordinator.registry.past import HistorySpan, Position, step_of
from tests.service.registries import T0, change, entry, opened, record

pytestmark = pytest.mark.usefixtures("tables")

HOUR = timedelta(hours=1)
ALWAYS = HistorySpan(T0 - HOUR, T0 + 100 * HOUR)


def lines(count: int) -> list[Transition]:
    """Changes of four groups and zones, three at a time."""
    made = []
    for number in range(count):
        states = [(State.UP, State.DOWN), (State.DOWN, State.UP)][number % 2]
        one = change(f"h{number}", 1 + number // 3, *states)
        zone = ["x", "y", "", "ö"][number % 4]
        made.append(replace(one, group=["compute", "storage"][number % 5 == 0], zone=zone))
    return made


async def walked(
    registry: Registry, stretch: HistorySpan, limit: int, most: int
) -> Sequence[Transition]:
    found, before = list[Transition](), None
    for _ in range(1000):
        page = await registry.changes(stretch, before, limit, most)
        assert len(page.lines) <= limit
        found += page.lines
        if page.following is None:
            return found
        assert before is None or page.following < before
        before = page.following
    raise AssertionError("pages without an end")


async def test_pages_are_all_lines_newest_first(url: str) -> None:
    async with opened(url) as registry:
        every = lines(50)
        await record(registry, [entry("a")], every)
        newest = sorted(every, key=lambda line: line.at, reverse=True)
        found = await walked(registry, ALWAYS, 7, 100)
        assert [line.at for line in found] == [line.at for line in newest]
        assert {line.member: line for line in found} == {line.member: line for line in every}
        for group, zone in (("compute", None), ("storage", "x"), (None, "ö"), (None, "")):
            wanted = [
                line for line in newest if group in (None, line.group) and zone in (None, line.zone)
            ]
            stretch = ALWAYS._replace(group=group, zone=zone)
            for most in (1, 4, 1000):  # lines that are looked at for a page
                found = await walked(registry, stretch, 3, most)
                assert sorted(found, key=str) == sorted(wanted, key=str)
                assert [line.at for line in found] == [line.at for line in wanted]


async def test_a_stretch_begins_with_since_and_ends_before_until(url: str) -> None:
    async with opened(url) as registry:
        every = lines(30)
        await record(registry, [], every)
        begin, end = every[5].at, every[20].at
        found = await walked(registry, HistorySpan(begin, end), 100, 100)
        assert {line.at for line in found} == {line.at for line in every if begin <= line.at < end}
        assert not (await registry.changes(HistorySpan(end, begin), None, 10)).lines
        after_all = Position(T0 + 1000 * HOUR, 10**12)
        assert len((await registry.changes(ALWAYS, after_all, 100)).lines) == 30


async def test_changes_are_counted_by_steps(url: str) -> None:
    async with opened(url) as registry:
        every = lines(60)
        note = replace(change("h0", 7, State.UP, State.UP, "operator: disabled"), zone="x")
        await record(registry, [], [*every, note])
        for stretch in (ALWAYS, ALWAYS._replace(group="storage"), ALWAYS._replace(zone="x")):
            counted = await registry.count_changes(stretch, 300)
            wanted: dict[tuple[int, State], int] = {}
            for line in every:
                if stretch.group in (None, line.group) and stretch.zone in (None, line.zone):
                    key = step_of(line.at, 300), line.new
                    wanted[key] = wanted.get(key, 0) + 1
            assert {(number, state): n for number, state, n in counted.counts} == wanted
            assert counted.since == stretch.since
        newest = await registry.count_changes(ALWAYS, 60, 10)
        assert newest.since > every[-11].at
        assert sum(count for *_, count in newest.counts) < 10
        assert all(number >= step_of(newest.since, 60) for number, *_ in newest.counts)


async def test_lines_from_before_have_no_zone(url: str) -> None:
    """An older coordinator, which writes none, may go on on the same tables."""
    async with opened(url) as registry:
        old = change("a", 1)
        await record(registry, [], [old])
        assert [line.zone for line in (await registry.changes(ALWAYS, None, 9)).lines] == [""]
        assert list(await registry.history("compute", "a", 9)) == [old]
