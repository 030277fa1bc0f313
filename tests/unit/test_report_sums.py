"""Days add up to the whole, and what is advised would have done."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.report.advice import LONGER, advice_on, ladder, least, needed_by
from musterd.report.answers import AdviceAnswer, DeathsAnswer
from musterd.report.assessing import OURS, Assessment, Death, Mistake
from musterd.report.causes import Culprit
from musterd.report.summing import (
    ALL,
    ALWAYS,
    DAY,
    by_day,
    day_of,
    later_in,
    unwatched_in,
    within,
    worst_of,
    wrong_in,
)
from musterd.report.words import advice_words, deaths_lines, duration, later_lines, named
from musterd.report.world import Who
from musterd.trace.recording import Span

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
JUDGES = ["db", OURS]

instants = st.integers(0, 4 * DAY).map(lambda t: MONDAY + t)
spans = st.builds(lambda a, length: (a, a + length), instants, st.integers(1, DAY))
mistakes = st.builds(
    Mistake,
    st.sampled_from(JUDGES),
    st.integers(0, 5).map(lambda number: Who(f"compute/h{number}", "az1")),
    spans,
    st.sampled_from(Culprit),
    st.floats(1, 500),
)


def made_of(some: list[Mistake], watched: Span = (MONDAY, MONDAY + 6 * DAY)) -> Assessment:
    return Assessment(JUDGES, some, watched=[watched])


@given(st.lists(mistakes))
def test_days_add_up_to_all(some: list[Mistake]) -> None:
    made, span = made_of(some), (MONDAY, MONDAY + 6 * DAY)
    total, days = day_of(made, ALL, span), by_day(made, span)
    assert [each.day for each in days] == [f"2026-11-{23 + at}" for at in range(6)]
    assert sum(each.watched for each in days) == total.watched == 6 * DAY
    for judge in JUDGES:
        parts = [each.judges[judge] for each in days]
        assert sum(each.times for each in parts) == total.judges[judge].times
        assert sum(each.seconds for each in parts) == pytest.approx(total.judges[judge].seconds)
        assert all(each.members <= total.judges[judge].members for each in parts)
        for wrong in [*parts, total.judges[judge]]:
            assert sum(wrong.causes.values()) == wrong.times


@given(st.lists(mistakes), spans)
def test_what_is_outside_does_not_count(some: list[Mistake], span: Span) -> None:
    made = within(made_of(some), span)
    assert all(span[0] <= each.span[0] < each.span[1] <= span[1] for each in made.mistakes)
    assert wrong_in(made.mistakes, ALWAYS).seconds <= 6 * (span[1] - span[0]) * len(JUDGES)


@given(st.lists(mistakes))
def test_the_worst_are_those_with_most(some: list[Mistake]) -> None:
    worst = worst_of(made_of(some))
    seconds = [sum(wrong.seconds for wrong in each.judges.values()) for each in worst]
    assert seconds == sorted(seconds, reverse=True)
    assert len(worst) == len({each.member for each in some})


def death(last: float, **found: float) -> Death:
    return Death(Who("compute/h1", ""), last, {who: last + after for who, after in found.items()})


def test_deaths_are_told_with_how_much_sooner_they_were_found() -> None:
    deaths = [
        death(MONDAY, db=61, musterd=59),
        death(MONDAY + DAY, db=61, musterd=75),
        death(MONDAY + DAY, db=61, musterd=51),
        death(MONDAY + DAY, musterd=60),
    ]
    made = Assessment(JUDGES, deaths=deaths, watched=[(MONDAY, MONDAY + 2 * DAY)])
    total = day_of(made, ALL, (MONDAY, MONDAY + 2 * DAY)).deaths
    assert total == DeathsAnswer(4, {"db": 3, "musterd": 4}, {"db": (2.0, -14.0, 10.0)})
    count, sooner = deaths_lines(total, JUDGES)
    assert count == "deaths: 4; found by Nova (db) 3, musterd 4"
    assert sooner == (
        "musterd found them 2.0 s sooner than Nova (db)"
        " (median, from 10.0 s sooner to 14.0 s later)"
    )
    alone = day_of(made, ALL, (MONDAY, MONDAY + DAY)).deaths
    assert list(deaths_lines(alone, JUDGES))[1].endswith("2.0 s sooner than Nova (db) (median)")


def test_times_not_watched_are_those_between() -> None:
    watched = [(MONDAY, MONDAY + 60), (MONDAY + 90, MONDAY + 100), (MONDAY + 40, MONDAY + 70)]
    (gap,) = unwatched_in(watched, (MONDAY, MONDAY + 100))
    assert (gap.begin.second, gap.end.second) == (10, 30)


def test_who_came_back_too_late_to_tell_is_counted() -> None:
    later = later_in(Assessment(later=[("db", (0.0, 1.0)), ("db", (5.0, 6.0))]))
    assert later == {"db": 2}
    assert "called members down 2 times that came back later" in next(later_lines(later))


# -- advice ----------------------------------------------------------------------------------


@given(st.lists(mistakes, min_size=1))
def test_what_is_needed_is_above_all_ages_and_no_more(some: list[Mistake]) -> None:
    needed = needed_by(some)
    assert needed is not None
    assert max(each.age for each in some) <= needed < max(each.age for each in some) + 1


@given(st.floats(0.5, 900), st.floats(0, 20_000))
def test_the_first_down_time_that_does_is_advised(in_force: float, enough: float) -> None:
    found = least(in_force, lambda seconds: seconds < enough)
    tried = ladder(in_force)
    assert tried == sorted(tried)
    assert tried[-1] >= 10 * in_force
    if found is None:
        assert tried[-1] < enough
    else:
        assert found >= enough
        assert found <= max(tried[0], LONGER * enough + LONGER)


def advised(some: list[Mistake], errs: bool = False) -> dict[str, AdviceAnswer]:
    return {each.judge: each for each in advice_on(made_of(some), 60.0, lambda _: errs)}


def mistake(judge: str, culprit: Culprit, age: float) -> Mistake:
    return Mistake(judge, Who("compute/h1", ""), (MONDAY, MONDAY + 9), culprit, age)


def test_who_did_not_err_needs_nothing_else() -> None:
    advice = advised([mistake("db", Culprit.ALONE, 71.4), mistake("db", Culprit.CLOCK, 180.0)])
    assert advice["musterd"].service_down_time == 60.0
    assert advice_words(advice["musterd"]) == "service_down_time = 60, as it is"
    assert advice["db"].by_cause == {"clock": 180.0, "alone": 72.0}
    assert advice_words(advice["db"]) == (
        "service_down_time = 180, by which a death is found 2 min later"
    )


def test_what_musterd_needs_is_found_by_replaying() -> None:
    some = [mistake(OURS, Culprit.ALONE, 0.0)]
    assert advised(some)["musterd"].service_down_time == 75.0
    none = advised(some, errs=True)["musterd"]
    assert (none.service_down_time, none.later) == (None, None)
    assert "musterd replay tries others" in advice_words(none)


def test_nothing_helps_where_there_was_nothing_to_be_had() -> None:
    advice = advised([mistake("db", Culprit.SHARD, 0.0)])["db"]
    assert advice.service_down_time is None
    assert "nothing to be had" in advice_words(advice)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.44, "0.44 s"),
        (59.0, "59 s"),
        (90.0, "1.5 min"),
        (7200.0, "2 h"),
        (DAY, "1 d"),
    ],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_judges_have_names() -> None:
    assert [named(each) for each in ("db", "mc", "musterd", "replayed")] == [
        *("Nova (db)", "Nova (mc)", "musterd", "replayed")
    ]
