"""The map of member_ids beside a dict."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.idmap import NONE, IdMap

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
