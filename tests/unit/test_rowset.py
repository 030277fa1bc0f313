"""A set of rows that is an array, beside a set that is one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.roll.rowset import RowSet

rows = st.integers(0, 5000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(rows, max_size=20)),
        st.tuples(st.just("discard"), rows),
        st.tuples(st.just("take"), st.lists(rows, max_size=20, unique=True)),
        st.tuples(st.just("but"), st.lists(st.booleans(), max_size=6000)),
    )
)


@given(steps)
def test_it_holds_what_a_set_would(steps: list[tuple[str, list[int] | list[bool] | int]]) -> None:
    ours, model = RowSet(), set[int]()
    for step, what in steps:
        if isinstance(what, int):
            ours.discard(what)
            model.discard(what)
        elif step == "add":
            ours.add(np.array(what, np.int64))
            model |= set(what)
        elif step == "but":
            left = [row for row in sorted(model) if row >= len(what) or not what[row]]
            assert ours.without(np.array(what, np.bool_)).tolist() == left
        else:
            taken = ours.pop(np.array(what, np.int64)).tolist()
            assert taken == [row for row in what if row in model]
            model -= set(taken)
        assert (len(ours), bool(ours)) == (len(model), bool(model))
