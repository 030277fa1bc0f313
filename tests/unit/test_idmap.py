"""The map of member_ids beside a dict."""

from itertools import count
from unittest.mock import patch

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.sweep import idmap
from musterd_coordinator.sweep.idmap import NONE, IdMap

# Few low bits, so that they get in each other's way, also across the end of the table.
ids = st.builds(
    lambda high, low: high << 32 | low, st.integers(0, 40), st.sampled_from([0, 1, 6, 7])
)
steps = st.lists(st.tuples(st.sampled_from(["put", "put", "remove"]), ids), max_size=120)


@given(steps)
def test_it_maps_as_a_dict_does(steps: list[tuple[str, int]]) -> None:
    ours, model = IdMap(places=8), dict[int, int]()
    for slot, (step, identity) in enumerate(steps):
        if step == "put":
            ours.put(identity, slot)
            model[identity] = slot
        else:
            ours.remove(identity)
            model.pop(identity, None)
        assert len(ours) == len(model)
    assert {identity: ours.get(identity) for _, identity in steps} == {
        identity: model.get(identity) for _, identity in steps
    }
    asked = np.array([identity for _, identity in steps], np.uint64)
    assert ours.get_all(asked).tolist() == [model.get(identity, NONE) for _, identity in steps]


@given(steps, steps, steps)
def test_it_grows_while_others_come_and_go(
    before: list[tuple[str, int]], between: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    ours, model, slots = IdMap(places=256), dict[int, int](), count()

    def change(step: str, identity: int) -> None:
        # The slot of one who left may be taken by another.
        slot = next(slots) if identity not in model else model[identity]
        if step == "put":
            free = sorted(set(range(slot)) - set(model.values()))
            model[identity] = slot if identity in model else (free or [slot])[0]
            ours.put(identity, model[identity])
        else:
            ours.remove(identity)
            model.pop(identity, None)

    for each in before:
        change(*each)
    with patch.object(idmap, "_STEP", 3):
        growing = ours.make_room(200)
        for each in between:
            next(growing, None)
            change(*each)
        list(growing)
    for each in after:
        change(*each)
    assert len(ours) == len(model)
    everybody = [identity for _, identity in before + between + after]
    assert [ours.get(identity) for identity in everybody] == list(map(model.get, everybody))


def test_growing_in_steps_leaves_nothing_to_be_done_at_once() -> None:
    ours = IdMap()
    ours.put_all(np.arange(1, 501, dtype=np.uint64), np.arange(500))
    steps = len(list(ours.make_room(100)))
    with patch.object(IdMap, "_grow") as grow:
        ours.put_all(np.arange(501, 2001, dtype=np.uint64), np.arange(500, 2000))
    assert (steps > 1, grow.called, ours.get(2000)) == (True, False, 1999)


@given(st.lists(ids, unique=True, max_size=60), st.lists(ids, max_size=60))
def test_many_at_once_are_as_one_by_one(identities: list[int], asked: list[int]) -> None:
    here, new = identities[: len(identities) // 2], identities[len(identities) // 2 :]
    ours = IdMap(places=8)
    for slot, identity in enumerate(here):
        ours.put(identity, slot)
    ours.put_all(np.array(new, np.uint64), np.arange(len(here), len(identities)))
    assert len(ours) == len(identities)
    wanted = [*identities, *asked]
    slots = ours.get_all(np.array(wanted, np.uint64)).tolist()
    assert [None if slot == NONE else slot for slot in slots] == list(map(ours.get, wanted))
    assert slots[: len(identities)] == list(range(len(identities)))


def test_it_grows_with_what_it_holds() -> None:
    ours = IdMap()
    numbers = [(number * 0x9E3779B97F4A7C15) % 2**64 for number in range(20_000)]
    for slot, number in enumerate(numbers):
        ours.put(number, slot)
    assert [ours.get(number) for number in numbers] == list(range(20_000))
    assert ours.get(1) is None


def test_many_who_come_while_it_grows_are_there_afterwards() -> None:
    ours, first, later = IdMap(), np.arange(1, 31), np.arange(31, 1001)
    ours.put_all(first.astype(np.uint64), first)
    with patch.object(idmap, "_STEP", 3):
        growing = ours.make_room(2000)
        for _ in range(5):
            next(growing)
        ours.put_all(later.astype(np.uint64), later + 5000)
        list(growing)
    everybody = np.arange(1, 1001, dtype=np.uint64)
    assert ours.get_all(everybody).tolist() == [*range(1, 31), *range(5031, 6001)]
    assert len(ours) == 1000


def test_one_that_grew_beyond_its_heir_meanwhile_keeps_what_it_has() -> None:
    ours = IdMap(places=8)
    growing = ours.make_room(8)
    next(growing)
    for slot in range(100):
        ours.put(slot + 1, slot)
    list(growing)
    assert [ours.get(slot + 1) for slot in range(100)] == list(range(100))
