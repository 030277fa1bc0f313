"""A set of rows that is an array, beside a set that is one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.rowset import RowSet

rows = st.integers(0, 5000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(rows, max_size=20)),
        st.tuples(st.just("discard"), rows),
        st.tuples(st.just("take"), st.integers(0, 10)),
    )
)


@given(steps)
def test_it_holds_what_a_set_would(steps: list[tuple[str, list[int] | int]]) -> None:
    ours, model = RowSet(), set[int]()
    for step, what in steps:
        if isinstance(what, list):
            ours.add(np.array(what, np.int64))
            model |= set(what)
        elif step == "discard":
            ours.discard(what)
            model.discard(what)
        else:
            taken = ours.take(what).tolist()
            assert taken == sorted(model)[:what]
            model -= set(taken)
        assert (len(ours), bool(ours)) == (len(model), bool(model))
