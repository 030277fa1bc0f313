"""Who is in which row, and what they announced, in little memory and none that is left behind."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.model import Member
from musterd_coordinator.roll.announcements import AnnouncementPool
from musterd_coordinator.roll.batch import alike
from musterd_coordinator.roll.interning import Interner
from musterd_coordinator.roll.names import NOBODY, Group, NameIndex
from musterd_coordinator.steps import whole
from tests.examples import examples

names = st.sampled_from(["a", "b", "c", "d"])
members = st.builds(
    Member,
    st.sampled_from(["compute", "network"]),
    names,
    st.sampled_from(["", "z1"]),
    st.just(""),
    st.dictionaries(st.sampled_from(["rack", "role"]), st.sampled_from(["1", "2"])),
)


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.booleans(), st.lists(members, max_size=6)), max_size=15))
def test_it_says_of_everyone_what_they_announced_last(
    steps: list[tuple[bool, list[Member]]],
) -> None:
    ours, model = NameIndex(), dict[tuple[str, str], Member]()
    free = list(range(20))
    for come, some in steps:
        told = {(member.group, member.name): member for member in some}
        known = {key: ours.row(*key) for key in told}
        assert {key for key, row in known.items() if row is not None} == told.keys() & model.keys()
        if come:
            new = [told[key] for key, row in known.items() if row is None]
            ours.add(alike(new), np.array([free.pop() for _ in new], np.int64))
            others = [(key, row) for key, row in known.items() if row is not None]
            rows = np.array([row for _, row in others], np.int64)
            changed = ours.with_other_facts(alike([told[key] for key, _ in others]), rows)
            assert changed == [at for at, (key, _) in enumerate(others) if told[key] != model[key]]
            for at in changed:
                ours.announce(rows.item(at), told[others[at][0]])
            model |= told
        else:
            for key, row in known.items():
                if row is not None:
                    ours.remove(row)
                    free.append(row)
                    del model[key]
        assert len(ours) == len(model)
        assert {name: set(after(ours, group)) for name, group in ours.groups.items()} == {
            group: {name for g, name in model if g == group} for group, _ in model
        }
    for key, member in model.items():
        row = ours.row(*key)
        assert row is not None
        assert ours.member(row) == member


def after(ours: NameIndex, group: Group, name: str = "") -> list[str]:
    """The names that follow ``name``."""
    return [each.decode() for each in whole(ours.in_order(group)).after(name.encode(), 100)]


def test_names_are_in_order_and_stay_so() -> None:
    ours = NameIndex()
    ours.add(alike([Member("compute", name) for name in "dbf"]), np.arange(3))
    group = ours.groups["compute"]
    assert after(ours, group) == ["b", "d", "f"]
    ours.add(alike([Member("compute", "e")]), np.array([3]))
    ours.remove(1)
    assert after(ours, group) == ["d", "e", "f"]
    assert after(ours, group, "d") == ["e", "f"]


class Twin(str):
    """A name that has the same hash as all of its kind."""

    __slots__ = ()

    def __hash__(self) -> int:
        return 7


def test_a_name_whose_hash_is_another_s_is_not_taken_for_it() -> None:
    one, other = Twin("a"), Twin("b")
    ours = NameIndex()
    ours.add(alike([Member("compute", one)]), np.array([0]))
    assert ours.row("compute", one) == 0
    assert ours.row("compute", other) is None
    assert ours.rows_of(alike([Member("compute", other), Member("compute", one)])).tolist() == [
        NOBODY,
        0,
    ]


def test_nothing_stays_of_what_nobody_announces_any_more() -> None:
    announced = AnnouncementPool()
    for turn in range(100):
        number = announced.acquire(Member("compute", f"h{turn}", metadata={"turn": str(turn)}))
        assert number == 0
        assert announced.member(number, "h").metadata == {"turn": str(turn)}
        announced.release(number)
    assert not len(announced)


def test_a_zone_keeps_its_number_while_somebody_is_in_it() -> None:
    zones = Interner[tuple[str, str]]()
    first = zones.acquire(("compute", "z1"))
    assert zones.acquire(("compute", "z1")) == first
    assert zones.number(("network", "z1")) is None
    zones.release(first)
    assert zones.number(("compute", "z1")) == first
    zones.release(first)
    assert zones.number(("compute", "z1")) is None
    assert (
        zones.acquire(("network", "z9")) == first
    )  # numbers do not grow with zones that came and went
    assert zones.key(first) == ("network", "z9")
    assert len(zones) == 1
