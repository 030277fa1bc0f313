"""Times are cut, joined and counted as sets of instants are."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from musterd.report.assessing import Mistake
from musterd.report.bars import bars_of, most_at_once
from musterd.report.causes import Culprit
from musterd.report.spells import (
    between,
    clipped,
    common,
    merged,
    seconds_within,
    spells_of,
    touches,
)
from musterd.report.world import Who
from musterd.trace.recording import Said, Span

whole = st.integers(0, 60)
spans = st.builds(lambda a, b: (float(a), float(a + b)), whole, st.integers(1, 20))
some = st.lists(spans, max_size=6)
HALVES = [at + 0.5 for at in range(90)]


def is_in(t: float, times: list[Span]) -> bool:
    return any(begin <= t < end for begin, end in times)


@given(some)
def test_merged_times_are_the_same_apart_and_in_order(times: list[Span]) -> None:
    together = merged(times)
    assert [is_in(t, together) for t in HALVES] == [is_in(t, times) for t in HALVES]
    assert all(one[1] < other[0] for one, other in pairwise(together))


@given(st.lists(some, min_size=1, max_size=3))
def test_common_times_are_in_each(several: list[list[Span]]) -> None:
    both = common(several)
    assert [is_in(t, both) for t in HALVES] == [
        all(is_in(t, times) for times in several) for t in HALVES
    ]


@given(some, spans)
def test_times_touch_where_an_instant_is_in_both(times: list[Span], within: Span) -> None:
    both = any(is_in(t, times) and is_in(t, [within]) for t in HALVES)
    assert touches(merged(times), within) == both


def test_nothing_has_nothing_in_common() -> None:
    assert common([]) == []


@given(some)
def test_what_is_between_is_all_else(times: list[Span]) -> None:
    together = merged(times)
    gaps = between(together)
    for t in HALVES:
        inside = bool(together) and together[0][0] <= t < together[-1][1]
        assert is_in(t, gaps) == (inside and not is_in(t, together))


@given(some, spans)
def test_seconds_are_those_of_instants(times: list[Span], within: Span) -> None:
    seconds = seconds_within(merged(times), within)
    assert seconds == sum(is_in(t, times) and is_in(t, [within]) for t in HALVES)


words = st.sampled_from(["dead", "alive", "unsure"])


@given(st.lists(st.tuples(whole, words), max_size=9, unique_by=lambda each: each[0]))
def test_a_spell_is_when_the_last_word_was_dead(said: list[tuple[int, str]]) -> None:
    lines = [Said(float(t), word, "", 7.0) for t, word in sorted(said)]
    spells = spells_of(lines, "dead", 90.0)
    times = [(each.begin, each.end) for each in spells]
    for t in HALVES:
        last = next((each.word for each in reversed(lines) if each.t <= t), "")
        assert is_in(t, times) == (last == "dead")
    assert all(each.age == 7.0 for each in spells)
    assert [each.is_over for each in spells[:-1]] == [True] * (len(spells) - 1)


mistakes = st.builds(
    lambda member, span, culprit: Mistake("db", Who(f"h{member}", ""), span, culprit, 0.0),
    st.integers(0, 3),
    spans,
    st.sampled_from(Culprit),
)


@given(st.lists(mistakes, max_size=12), spans, st.integers(0, 9))
def test_bars_have_all_that_is_drawn(made: list[Mistake], within: Span, apart: int) -> None:
    bars = bars_of(made, within, float(apart))
    here = [each for each in made if clipped(each.span, within)]
    assert sum(bar.times for bar in bars) == len(here)
    for each in here:
        part = clipped(each.span, within)
        assert part is not None
        assert any(
            bar.culprit is each.culprit and bar.span[0] <= part[0] and part[1] <= bar.span[1]
            for bar in bars
        )
    for bar in bars:
        assert 1 <= bar.most <= bar.times
        assert bar.members <= bar.times


@given(some)
def test_most_at_once_is_seen_at_some_instant(times: list[Span]) -> None:
    counts = [sum(begin <= t < end for begin, end in times) for t in HALVES]
    assert most_at_once(times) == max(counts)
