"""Members in portions that take about as long to seat, whatever they announce."""

from itertools import zip_longest

from hypothesis import example, given
from hypothesis import strategies as st

from musterd.model import Member
from musterd_coordinator.roll.batch import alike, in_portions

members = st.builds(
    Member,
    group=st.sampled_from(["a", "b", "c", "d", "e"]),
    name=st.just("host"),
    zone=st.sampled_from(["", "z"]),
    metadata=st.sampled_from([{}, {"rack": "1"}, {"rack": "2"}]),
)


@given(st.lists(members, max_size=40), st.integers(1, 9), st.integers(1, 5))
@example([Member("a", "host")] * 10, 10, 1)
@example([Member("a", "host"), Member("b", "host")] * 3, 9, 1)
def test_portions_are_all_members_in_order_and_each_as_large_as_it_may_be(
    some: list[Member], most: int, kinds: int
) -> None:
    seated = list(enumerate(some))
    portions = list(in_portions(seated, most, kinds))
    assert [each for portion in portions for each in portion] == seated
    assert all(portions)
    for portion, following in zip_longest(portions, portions[1:]):
        found = alike([member for _, member in portion])
        assert len(portion) <= most
        assert len(found.samples) <= kinds
        if following is not None:
            longer = alike([member for _, member in (*portion, following[0])])
            assert len(portion) == most or len(longer.samples) > kinds
