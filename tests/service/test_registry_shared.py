"""What all registries do that several coordinators share."""

from datetime import timedelta

import anyio
import msgspec

from musterd.model import Facts, State
from musterd_coordinator.registry.base import Gone, Registry
from musterd_coordinator.registry.rows import entry_row
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


async def test_coordinators_hear_of_each_other(shared_url: str) -> None:
    async with opened(shared_url) as one, opened(shared_url) as two:
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


async def test_the_writer_hears_of_facts_too(shared_url: str) -> None:
    """Orders of two coordinators that cross leave both with the last one."""
    async with opened(shared_url) as one, opened(shared_url) as two:
        await record(one, [entry("a")])
        await one.changed()
        await set_facts(two, "a", Facts(zone="two"))
        await set_facts(one, "a", Facts(zone="one"))
        for each in (one, two):
            assert by_name(await each.changed())["a"].facts.zone == "one"


async def test_one_change_seen_by_two_coordinators_is_one_line(shared_url: str) -> None:
    async with opened(shared_url) as one, opened(shared_url) as two:
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


async def test_only_who_knows_of_a_forgetting_brings_its_member_back(shared_url: str) -> None:
    async with opened(shared_url) as one, opened(shared_url) as two:
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
    shared_url: str,
) -> None:
    names = [f"h{number}" for number in range(7)]
    async with opened(shared_url, at_once=2) as one:
        await record(one, map(entry, names))
        await one.forget([("compute", name) for name in names[:5]])
        assert list(by_name(await loaded(one))) == names[5:]
        forgotten = [("compute", name) for name in names[:5]]
        await one.prune_forgotten(timedelta(minutes=1))
        assert all(each.number for each in await one.lacking(forgotten))
        await one.prune_forgotten(timedelta())
        assert [each.number for each in await one.lacking(forgotten)] == [0] * 5


async def test_a_death_found_late_by_another_coordinator_is_no_second_one(
    shared_url: str,
) -> None:
    one, two = (open_at(shared_url, coordinator=name) for name in ("c1", "c2"))
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


async def test_two_coordinators_record_everybody_at_once(shared_url: str) -> None:
    names = [f"h{number}" for number in range(3000)]
    async with opened(shared_url) as one, opened(shared_url) as two:

        async def record_in(registry: Registry, order: int) -> None:
            ordered = names[::order]
            await record(registry, [entry(n) for n in ordered], [change(n, 1) for n in ordered])

        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(record_in, one, 1)
                tasks.start_soon(record_in, two, -1)
        assert len(await loaded(one)) == 3000
        assert len(await one.history("compute", "h7", 99)) == 1


async def test_coordinators_leave_word_for_each_other(shared_url: str) -> None:
    one, two = (open_at(shared_url, coordinator=name) for name in ("c1", "c2"))
    await one.open()
    assert await one.exchange_reports('{"n": 1}') == []
    ((name, age, text),) = await two.exchange_reports('{"n": 2}')
    assert (name, text) == ("c1", '{"n": 1}')
    assert 0 <= age < TIMEOUT
    assert [name for name, _, _ in await one.exchange_reports('{"n": 3}')] == ["c2"]
    for each in (one, two):
        await each.aclose()
