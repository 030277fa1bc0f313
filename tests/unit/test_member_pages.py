"""A walk through pages in any order has everybody once, whoever joins, goes or changes meanwhile."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.answers import MemberAnswer
from musterd.beat import Status
from musterd.model import Facts, Mark, Member, SortKey, SortOrder, State
from musterd_coordinator.judge.members import CODES
from musterd_coordinator.service.contract import Ordering
from musterd_coordinator.service.paging import Place, place_of
from musterd_coordinator.service.queries import Queries
from musterd_coordinator.service.selection import Filters
from musterd_coordinator.steps import whole
from tests.examples import examples
from tests.unit.stage import Stage

SIZE = 24
orderings = st.builds(Ordering, st.sampled_from(SortKey), st.sampled_from(SortOrder))
filters = st.builds(
    Filters,
    up=st.none(),
    silent_for=st.none(),
    state=st.sampled_from([None, State.UP, State.DOWN]),
    zone=st.sampled_from([None, "x"]),
    mark=st.sampled_from([None, Mark.DISABLED]),
    match=st.sampled_from([None, "H", "h1", "nobody"]),
    owner=st.sampled_from([None, "ops", ""]),
    cause=st.sampled_from([None, "first_beat", "silent"]),
)


def staged(instants: list[int]) -> Stage:
    """Members that changed at these seconds, and were heard at others."""
    stage = Stage()
    named = [
        Member("compute", f"h{n * 7 % SIZE:02}", "xy"[n % 2], ["ops", ""][n % 3 == 0])
        for n in range(SIZE)
    ]
    stage.sweep(seated=tuple(enumerate(named)))
    stage.sweep({n: (7, 1) for n in range(SIZE) if n % 4})
    members = stage.roll.detector.members
    members.since[:SIZE] = [1_700_000_000 + instants[n % len(instants)] for n in range(SIZE)]
    members.heard_at[:SIZE:3] += 0.25
    members.state[: SIZE // 3] = CODES[State.DOWN]
    for row in range(0, SIZE, 5):
        stage.roll.set_facts(row, Facts(disabled=True, owner="ops" if row % 2 else None), "")
    return stage


def pages(
    answers: Queries, asked: Filters, ordering: Ordering, limit: int
) -> Iterator[list[MemberAnswer]]:
    after: str | None = ""
    while after is not None:
        page = whole(answers.members_steps("compute", asked, after, limit, ordering))
        yield page.members
        after = page.next


def in_order(stage: Stage, members: list[MemberAnswer], by: Ordering) -> list[str]:
    """Their names in the order that is asked for, as a plain sort has them."""
    backwards = by.order is SortOrder.DESC
    if by.sort is SortKey.NAME:
        return sorted((each.member for each in members), reverse=backwards)

    def number(each: MemberAnswer) -> float:
        if by.sort is SortKey.SINCE:
            return each.since.timestamp()
        row = stage.roll.directory.row("compute", each.member)
        heard = stage.roll.view.heard_at(stage.roll.view.rows("compute", [each.member])).item()
        assert row is not None
        return -float(heard)

    by_name = sorted(members, key=lambda each: each.member)
    return [each.member for each in sorted(by_name, key=number, reverse=backwards)]


def passes(each: MemberAnswer, asked: Filters, stage: Stage) -> bool:
    row = stage.roll.directory.row("compute", each.member)
    assert row is not None
    return (
        asked.state in (None, each.state)
        and asked.zone in (None, each.zone)
        and (asked.mark is None or asked.mark in each.marks)
        and (asked.match or "").lower() in each.member
        and asked.owner in (None, each.owner)
        and asked.cause in (None, stage.roll.view.cause(row))
    )


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
    filters,
    orderings,
    st.integers(1, 7),
    st.sampled_from([0, 2, 1000]),
)
@settings(max_examples=examples(200))
def test_pages_are_one_sorted_list(
    instants: list[int], asked: Filters, ordering: Ordering, limit: int, few: int
) -> None:
    stage = staged(instants)
    answers = Queries(stage.roll.view, few=few)
    everyone = answers.members("compute").members
    wanted = [each for each in everyone if passes(each, asked, stage)]
    walked = list(pages(answers, asked, ordering, limit))
    names = [each.member for page in walked for each in page]
    assert names == in_order(stage, wanted, ordering)
    assert all(len(page) == limit for page in walked[:-1])


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=5),
    orderings,
    st.integers(1, 7),
    st.lists(
        st.tuples(st.sampled_from(["beat", "go", "join"]), st.integers(0, SIZE - 1)), max_size=8
    ),
)
@settings(max_examples=examples(100))
def test_who_stays_as_it_is_comes_once_whatever_others_do(
    instants: list[int], ordering: Ordering, limit: int, events: list[tuple[str, int]]
) -> None:
    stage = staged(instants)
    before = stage.answers.members("compute").members
    rows = {each.member: stage.roll.directory.row("compute", each.member) for each in before}
    touched, names, sequence = set[str](), list[str](), 2
    for page in pages(stage.answers, Filters(), ordering, limit):
        names += [each.member for each in page]
        for what, which in events[:2]:
            name = before[which].member
            if what == "join":
                newcomer = Member("compute", f"{name}-{sequence}")
                stage.sweep(seated=((SIZE + sequence, newcomer),))
                touched.add(newcomer.name)
            elif name not in touched and what == "go":
                stage.roll.remove([rows[name] or 0])
            elif name not in touched:
                stage.sweep({rows[name] or 0: (8, sequence)}, status=Status.OK)
            touched.add(name)
            sequence += 1
        del events[:2]
    since = {each.member: each.since for each in stage.answers.members("compute").members}
    touched |= {each.member for each in before if since.get(each.member) != each.since}
    still = [each for each in before if each.member not in touched]
    assert [name for name in names if name not in touched] == in_order(stage, still, ordering)


def test_a_place_is_read_as_it_was_written() -> None:
    place = Place(1_700_000_000_000_000, "h:1")
    assert place_of(str(place)) == place
    for text in ("", "h1", "17:h1", "1700000000000000x:h1"):
        assert place_of(text) is None


@pytest.mark.parametrize("count", [1, 5, 40])
def test_names_backwards(count: int) -> None:
    stage = Stage()
    stage.roll.directory._block = 4
    named = [Member("compute", f"h{n:02}") for n in range(count)]
    stage.sweep(seated=tuple(enumerate(named)))
    names = [each.name for each in named]
    for at in ("", "h00", "h03", "h07x", "z"):
        for most in (1, 3, 100):
            less = [name for name in reversed(names) if not at or name < at]
            assert whole(stage.roll.view.names_before("compute", at, most)) == less[:most]
    assert whole(stage.roll.view.names_before("nosuch", "", 3)) == []
