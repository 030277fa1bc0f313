"""Anything under any key of a namespace: who was good before stays good, and the junk goes.

Whole sweeps are made, by the reader that a coordinator has, of a table that agents beat to.
"""

import anyio
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from musterd.keys import FleetKeys, Keyring
from musterd.model import Member
from musterd.stores.slots.protocol import (
    RETIRED,
    SLOT_LIMIT,
    read_holder,
    write_holder,
    write_slots,
)
from musterd.stores.slots.writer import COUNT_EVERY
from musterd_coordinator.sweep.slots.roster import ROOM
from tests.examples import examples
from tests.unit.keyed_world import (
    BAD_UTF8,
    GOOD,
    HUGE_COUNT,
    KEYS,
    NESTED,
    ROUNDS_TO_HEAL,
    World,
    contents,
    names,
)


@settings(max_examples=examples(25), deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.lists(st.tuples(names, contents), max_size=8), max_size=3))
@example([[(KEYS.holder(50), BAD_UTF8), (KEYS.holder(51), NESTED)]])
@example([[(KEYS.holder(slot), NESTED) for slot in range(6)]])
@example([[(KEYS.counter, HUGE_COUNT)], [(KEYS.counter, b"%d" % SLOT_LIMIT)]])
@example([[(KEYS.index(KEYS.identity(GOOD[0])), write_slots(SLOT_LIMIT - 1))]])
def test_anything_anywhere(portions: list[list[tuple[bytes, bytes]]]) -> None:
    async def live() -> None:
        world = World()
        everybody = {member.name for member in GOOD}
        await world.round()
        assert await world.round() == everybody
        for portion in portions:
            for key, value in portion:
                world.table.set(key, value)
            await world.round()
        for _ in range(ROUNDS_TO_HEAL):
            heard = await world.round()
        assert everybody <= heard
        check_healed(world)
        assert len(world.reader._seats.taken) <= 2 * 6000

    anyio.run(live)


KEYRING = Keyring("fleet", fleet=FleetKeys(bytes(32)))


@settings(max_examples=examples(25), deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.lists(st.lists(st.tuples(names, contents), max_size=8), max_size=3))
@example([[(KEYS.holder(slot), write_holder(GOOD[slot], bytes(16))) for slot in range(6)]])
@example([[(KEYS.challenge, bytes(129)), (KEYS.holder(1), BAD_UTF8)]])
def test_anything_anywhere_leaves_agents_that_sign_their_announcements(
    portions: list[list[tuple[bytes, bytes]]],
) -> None:
    async def live() -> None:
        world = World(keyring=KEYRING)
        await world.round()
        for portion in portions:
            for key, value in portion:
                world.table.set(key, value)
            for _ in range(3):  # a look of each
                await world.round()
        for _ in range(3 * (1 + 2 + 4)):
            heard = await world.round()
        assert heard >= {member.name for member in GOOD}
        check_healed(world)
        for slot, member in world.seats.items():
            seal = KEYRING.seal(member)
            if member in GOOD and seal:
                assert world.value(KEYS.holder(slot)) == write_holder(member, seal.mac)

    anyio.run(live)


def check_healed(world: World) -> None:
    count = int(world.value(KEYS.counter) or b"0")
    assert max(world.seats) < count <= 6000
    for slot in range(count):
        holder = world.value(KEYS.holder(slot))
        assert holder is None or isinstance(read_holder(holder), Member | None)
    for member in GOOD:
        assert member in world.seats.values()


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("holder", KEYS.holder(50), BAD_UTF8),
        ("holder", KEYS.holder(2), NESTED),
        ("holder", KEYS.holder(50), b"\xc1" * 20_000),
        ("pointer", KEYS.index(KEYS.identity(GOOD[2])), b"nowhere"),
        ("counter", KEYS.counter, HUGE_COUNT),
        ("counter", KEYS.counter, b"%d" % SLOT_LIMIT),
        ("hint", KEYS.free, b"none"),
        ("magic", KEYS.beat(2), bytes(64)),
        ("length", KEYS.beat(2), b"short"),
    ],
)
def test_what_is_wrong_is_counted_by_its_kind(kind: str, key: bytes, value: bytes) -> None:
    """And nobody else's beats are missed, not even in the sweep that meets it."""

    async def meet() -> None:
        world = World()
        await world.round()
        await world.round()
        assert sum(world.rejected) == 0
        world.table.set(key, value)
        silent = GOOD[2]  # or its agent would mend the key before it is read
        heard = await world.round(silent)
        assert heard == {member.name for member in GOOD if member != silent}
        for _ in range(ROUNDS_TO_HEAL):
            await world.round(silent)
        assert world.rejected._asdict()[kind] >= 1
        assert world.value(key) != value or kind == "hint"

    anyio.run(meet)


def test_who_was_sent_too_high_comes_down() -> None:
    """A counter that somebody set misleads newcomers to slots that nobody looks at."""

    async def come_down() -> None:
        world = World()
        await world.round()
        world.table.set(KEYS.counter, b"%d" % (SLOT_LIMIT - 1000))
        newcomer = Member("compute", "newcomer")
        await world.beat(newcomer)
        assert world.value(KEYS.holder(SLOT_LIMIT - 1000)) == write_holder(newcomer)
        for _ in range(3):
            await world.round()
            await world.beat(newcomer)
        await world.round()
        assert newcomer in world.seats.values()
        assert max(world.seats) < 200
        assert world.value(KEYS.counter) == b"%d" % (max(world.seats) + 1)
        assert world.value(KEYS.holder(SLOT_LIMIT - 1000)) == RETIRED

    anyio.run(come_down)


def test_who_was_sent_too_high_unseen_comes_down_as_well() -> None:
    """The counter was set back by whoever set it: so now and then an agent looks at it."""

    async def come_down() -> None:
        world = World()
        await world.round()
        world.table.set(KEYS.counter, b"%d" % (SLOT_LIMIT - 1000))
        newcomer = Member("compute", "newcomer")
        await world.beat(newcomer)
        world.table.set(KEYS.counter, b"%d" % len(GOOD))
        for _ in range(COUNT_EVERY):
            await world.round()
            await world.beat(newcomer)
        await world.round()
        assert newcomer in world.seats.values()
        assert max(world.seats) < 200

    anyio.run(come_down)


def test_a_counter_set_high_before_a_coordinator_starts() -> None:
    """It reads the slots that may be in use, and no more, before it sets the counter back."""

    async def begin() -> None:
        world = World()
        for member in GOOD:
            await world.beat(member)
        world.table.set(KEYS.counter, b"%d" % (SLOT_LIMIT - 1))
        while (roster := await world.reader.roster()).more:
            world.seats |= dict(roster.seated)
        assert list((world.seats | dict(roster.seated)).values()) == GOOD
        assert world.value(KEYS.counter) == b"%d" % len(GOOD)

    anyio.run(begin)


def test_newcomers_in_crowds_do_not_stop_the_sweeps() -> None:
    """Once everybody was read, each update reads some of them, and says that the rest can wait."""

    async def flood() -> None:
        world = World(room=ROOM)
        await world.round()
        crowd = 60_000
        first = len(GOOD)
        for slot in range(first, first + crowd):
            world.table.set(KEYS.holder(slot), write_holder(Member("crowd", f"{slot}")))
        world.table.set(KEYS.counter, b"%d" % (first + crowd))
        sizes = []
        for _ in range(5):
            assert {member.name for member in GOOD} <= await world.round()
            sizes.append(len(world.seats) - first)
        assert sizes[0] < 20_000
        assert sizes[-1] == crowd

    anyio.run(flood)
