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


def test_it_grows_with_what_it_holds() -> None:
    ours = IdMap()
    numbers = [(number * 0x9E3779B97F4A7C15) % 2**64 for number in range(20_000)]
    for slot, number in enumerate(numbers):
        ours.put(number, slot)
    assert [ours.get(number) for number in numbers] == list(range(20_000))
    assert ours.get(1) is None
