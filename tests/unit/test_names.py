"""Names in order, whoever joins and goes while they are put in it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import Member
from musterd_coordinator.roll.batch import alike
from musterd_coordinator.roll.names import NameIndex
from musterd_coordinator.roll.order import BLOCK, Places, SortedNames, put_in_order
from musterd_coordinator.steps import whole

words = st.text("abc", min_size=1, max_size=3).map(str.encode)


FEW = 4  # names in a block


@given(st.lists(st.tuples(st.booleans(), words)), words, st.integers(1, 50))
def test_it_is_a_sorted_set(steps: list[tuple[bool, bytes]], after: bytes, most: int) -> None:
    names, model = SortedNames(FEW), set[bytes]()
    for here, name in steps:
        (names.add if here else names.discard)(name)
        (model.add if here else model.discard)(name)
        assert len(names) == len(model)
    assert names.after(b"", 1000) == sorted(model)
    assert names.after(after, most) == sorted(one for one in model if one > after)[:most]


@given(st.lists(words))
def test_what_is_poured_in_comes_out_in_order(given_names: list[bytes]) -> None:
    count = len(given_names)
    steps = put_in_order(lambda places: [given_names[at] for at in places], count, block=FEW)
    names = whole(steps)
    assert names.after(b"", 1000) == sorted(set(given_names))
    for name in given_names:
        names.discard(name)
    assert len(names) == 0


@given(
    st.lists(st.integers(0, 30), unique=True, min_size=1),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["compute", "network"]))),
)
def test_who_joins_or_goes_meanwhile_is_there_or_not(
    before: list[int], meanwhile: list[tuple[int, str]]
) -> None:
    ours = NameIndex(block=FEW)
    ours.add(alike([Member("compute", f"h{each:02}") for each in before]), np.arange(len(before)))
    group = ours.groups["compute"]
    steps, free, size = ours.in_order(group), list[int](), len(before)
    changes = iter(meanwhile)
    names = None
    while names is None:
        try:
            next(steps)
        except StopIteration as end:
            names = end.value
            break
        number, name = next(changes, (None, ""))
        if number is None:
            continue
        row = ours.row(name, f"h{number:02}")
        if row is None:
            if not free:
                free.append(size)
                size += 1
            ours.add(alike([Member(name, f"h{number:02}")]), np.array([free.pop()]))
        elif len(ours.groups[name].rows) > 1:
            ours.remove(row)
            free.append(row)
    here = {ours.member(row).name.encode() for row in group.rows}
    assert names.after(b"", 1000) == sorted(here)
    assert not group.news


def test_a_million_names_are_put_in_order_in_small_steps() -> None:
    touched: list[int] = []

    def read(places: Places) -> list[bytes]:
        touched.append(len(places))
        return [b"host-%06d" % (place * 7919 % 20_000) for place in places.tolist()]

    steps, largest = put_in_order(read, 20_000), 0
    while True:
        touched.clear()
        try:
            next(steps)
        except StopIteration as end:
            names = end.value
            break
        largest = max(largest, sum(touched))
    assert largest <= BLOCK
    assert max(map(len, names._blocks)) <= 3 * BLOCK
    assert len(names) == 20_000
