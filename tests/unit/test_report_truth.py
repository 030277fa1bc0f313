"""Who lived, and why they were called dead all the same."""

from collections.abc import Sequence
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.report.assessing import OURS, Assessment, assess, recorded
from musterd.report.causes import Culprit, Surroundings, culprit_of
from musterd.report.lives import Life, Truth, heard_from
from musterd.report.spells import Spell
from musterd.report.world import World, deaf, lost, setting
from musterd.trace.lines import (
    GONE,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceLine,
    TraceMember,
    VerdictChange,
)
from musterd.trace.recording import Recording, Said, Silence, Stretch
from tests.examples import examples
from tests.unit.taped import DOWN_TIME, Silent, Tale, Tape, header, tales

H1 = TraceMember(1, "compute", "h1", "az1", 0)
UP = VerdictChange(0.0, 1, "up", "beat")


def stretch_of(*lines: TraceLine, **changes: Any) -> Stretch:
    recording = Recording(header(**changes))
    recording.add([H1, *lines, TraceEvent(2000.0, None, "eclipse")])
    return recording.finish()


def assessed(*lines: TraceLine, **changes: Any) -> Assessment:
    stretch = stretch_of(*lines, **changes)
    return assess(stretch, recorded(stretch))


def called_dead(begin: float, end: float, age: float = 61.0) -> list[TraceLine]:
    return [RuleChange(begin, 1, "db", 0, age), RuleChange(end, 1, "db", 1, 1.0)]


def only(made: Assessment) -> Culprit:
    (mistake,) = made.mistakes
    return mistake.culprit


# -- who lived ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silence", "has_runs", "truth"),
    [
        (Silence(100.0, 175.0), True, Truth.LIVED),
        (Silence(100.0, 900.0), True, Truth.LIVED),
        (Silence(100.0, 175.0, restarted=True), True, Truth.DIED),
        (Silence(100.0), True, Truth.DIED),
        (Silence(100.0, 175.0), False, Truth.LIVED),
        (Silence(100.0, 220.0), False, Truth.LIVED),
        (Silence(100.0, 221.0), False, Truth.RETURNED),
        (Silence(100.0), False, Truth.DIED),
    ],
)
def test_what_became_of_who_was_silent(silence: Silence, has_runs: bool, truth: Truth) -> None:
    life = Life([silence], 0.0, [], [])
    assert life.truth_of(Spell(161.0, 180.0), DOWN_TIME, has_runs=has_runs) is truth


def test_silence_counts_while_somebody_listened() -> None:
    life = Life([Silence(100.0, 400.0)], 0.0, [], [(120.0, 350.0)])
    assert life.truth_of(Spell(161.0, 400.0), DOWN_TIME, has_runs=False) is Truth.LIVED


def test_whose_beats_went_on_lived() -> None:
    life = Life([Silence(100.0, 130.0)], 0.0, [], [])
    for begin in (50.0, 130.0, 500.0):
        assert life.truth_of(Spell(begin, 600.0), DOWN_TIME, has_runs=True) is Truth.LIVED


def test_who_was_not_heard_before_or_had_left_is_neither() -> None:
    life = Life([], 70.0, [(200.0, 300.0)], [])
    assert life.truth_of(Spell(60.0, 80.0), DOWN_TIME, has_runs=True) is Truth.UNKNOWN
    assert life.truth_of(Spell(261.0, 290.0), DOWN_TIME, has_runs=True) is Truth.LEFT


@pytest.mark.parametrize(
    ("said", "silences", "known", "heard"),
    [
        ([], [], inf, inf),
        ([Said(7.0, "up", "first_beat")], [], inf, 7.0),
        ([Said(7.0, "up")], [Silence(3.0, 30.0)], inf, 3.0),
        ([Said(0.0, "up"), Said(60.0, "down", "silent")], [], inf, inf),
        ([Said(0.0, "up"), Said(60.0, "down", "silent"), Said(90.0, "up")], [], inf, 90.0),
        ([Said(0.0, "up"), Said(60.0, "down", "silent")], [Silence(1.0, 90.0)], inf, 0.0),
        ([Said(0.0, "up"), Said(60.0, "down", "check_failing")], [], inf, 0.0),
        ([Said(300.0, "up", "restarted")], [], 100.0, 100.0),
        ([Said(160.0, "down", "silent"), Said(300.0, "up")], [], 100.0, 300.0),
    ],
)
def test_when_a_member_was_heard_first(
    said: list[Said], silences: list[Silence], known: float, heard: float
) -> None:
    assert heard_from(said, silences, known) == heard


# -- mistakes ------------------------------------------------------------------------------


def test_one_that_lost_a_report_lived() -> None:
    made = assessed(UP, SilenceEnded(172.0, 1, 100.0), *called_dead(161.0, 172.0))
    (mistake,) = made.mistakes
    assert (mistake.judge, mistake.culprit, mistake.age) == ("db", Culprit.ALONE, 72.0)
    assert mistake.span[1] - mistake.span[0] == 11.0
    assert made.deaths == []


def test_one_that_stayed_silent_died_and_who_found_it_is_told() -> None:
    dead = RuleChange(161.0, 1, "db", 0, 61.0)
    made = assessed(
        UP, dead, VerdictChange(176.0, 1, "down", "silent"), StillSilent(900.0, 1, 100.0)
    )
    (death,) = made.deaths
    assert {judge: at - death.last for judge, at in death.found.items()} == {"db": 61, OURS: 76}
    assert made.mistakes == []


def test_one_that_was_forgotten_while_it_was_down_died() -> None:
    gone = VerdictChange(900.0, 1, GONE)
    down = VerdictChange(176.0, 1, "down", "silent")
    made = assessed(UP, RuleChange(161.0, 1, "db", 0, 61.0), down, gone)
    assert made.mistakes == []
    assert len(made.deaths) == 1


def test_one_that_said_goodbye_neither_died_nor_lived() -> None:
    left = VerdictChange(102.0, 1, "left", "leaving")
    made = assessed(UP, left, RuleChange(161.0, 1, "db", 0, 61.0), StillSilent(900.0, 1, 100.0))
    assert (made.mistakes, made.deaths) == ([], [])


def test_one_whose_check_fails_says_so_itself() -> None:
    made = assessed(UP, VerdictChange(102.0, 1, "down", "check_failing"))
    assert made.mistakes == []


def test_a_service_of_novas_that_comes_back_late_may_have_been_restarted() -> None:
    lines = [UP, SilenceEnded(300.0, 1, 100.0), *called_dead(161.0, 300.0)]
    made = assessed(*lines, source="nova+mysql")
    assert (made.mistakes, made.deaths) == ([], [])
    assert [judge for judge, _ in made.later] == ["db"]
    assert len(assessed(*lines).mistakes) == 1
    assert len(assessed(*lines, source="memcached nova+mysql").later) == 1


def test_a_member_that_no_line_names_is_told_by_its_number() -> None:
    world = World(stretch_of())
    assert world.who(1).name == "compute/h1"
    assert world.who(2).name == "member 2"
    assert world.life(2).heard == inf
    assert world.around(2).deaf == []


# -- causes --------------------------------------------------------------------------------

SILENT = SilenceEnded(172.0, 1, 100.0)


def test_a_shard_that_was_deaf_is_the_cause() -> None:
    turns = ShardTurn(110.0, 0, "deaf", "away"), ShardTurn(150.0, 0, "ok")
    assert only(assessed(UP, *turns, SILENT, *called_dead(161.0, 172.0))) is Culprit.SHARD


def test_a_way_in_doubt_is_the_cause() -> None:
    turns = ShardTurn(110.0, 0, "deaf", "doubt"), ShardTurn(150.0, 0, "ok")
    doubt = TraceEvent(110.0, 0, "doubt"), TraceEvent(150.0, 0, "doubt over")
    made = assessed(UP, *turns, *doubt, SILENT, *called_dead(161.0, 172.0))
    assert only(made) is Culprit.STORM
    assert len(made.deaf) == len(made.doubted) == 1


@pytest.mark.parametrize(("zone", "culprit"), [("az1", Culprit.STORM), ("az2", Culprit.ALONE)])
def test_a_storm_in_its_zone_is_the_cause(zone: str, culprit: Culprit) -> None:
    storm = TraceEvent(162.0, None, "storm", {"group": "compute", "zone": zone})
    assert only(assessed(UP, SILENT, storm, *called_dead(161.0, 172.0))) is culprit


def test_an_age_that_nobody_saw_is_the_clocks() -> None:
    assert only(assessed(UP, *called_dead(161.0, 172.0, 85.0))) is Culprit.CLOCK
    assert only(assessed(UP, SILENT, *called_dead(161.0, 172.0, 185.0))) is Culprit.CLOCK


def test_what_was_written_down_before_an_outage_and_came_after_it_is_nobodys_clock() -> None:
    """A report waits for its database, and the time in it is that of before."""
    away = ShardTurn(120.0, 0, "deaf", "away"), ShardTurn(150.0, 0, "ok")
    heard = SilenceEnded(151.0, 1, 119.0)
    assert only(assessed(UP, *away, heard, *called_dead(161.0, 172.0, 45.0))) is Culprit.SHARD
    assert only(assessed(UP, *away, heard, *called_dead(161.0, 172.0, 95.0))) is Culprit.CLOCK


def test_an_age_of_nothing_is_nobodys_clock() -> None:
    lines = [RuleChange(161.0, 1, "mc", 0, None), RuleChange(172.0, 1, "mc", 1, 1.0)]
    (mistake,) = assessed(UP, SILENT, *lines).mistakes
    assert (mistake.judge, mistake.culprit, mistake.age) == ("mc", Culprit.ALONE, 0.0)


ages = st.floats(0, 500)


@given(ages, ages, st.booleans())
def test_the_clock_is_to_blame_only_for_more_than_was_silence(
    age: float, silent: float, is_deaf: bool
) -> None:
    around = Surroundings([(0.0, 1e4)] if is_deaf else [], [], 10.0, 2.0)
    spell, silence = Spell(1000.0, 1100.0, age), Silence(1000.0 - silent, 1100.0)
    culprit = culprit_of(spell, silence, around)
    assert (culprit is Culprit.CLOCK) == (age > silent + 17.0 and not is_deaf)
    assert culprit is not Culprit.STORM


def test_what_a_coordinator_does_not_hear_is_not_always_its_shards_fault() -> None:
    turns = ShardTurn(0.0, 0, "deaf", "starting"), ShardTurn(5.0, 0, "ok")
    pause = TraceEvent(80.0, 0, "pause", {"since": 60.0})
    stretch = stretch_of(*turns, pause, ShardTurn(90.0, 0, "partial", "away"))
    assert deaf(stretch, 0) == [(0.0, 5.0), (60.0, 80.0), (90.0, 2000.0)]
    assert lost(stretch, 0) == [(90.0, 2000.0)]


@pytest.mark.parametrize("value", [None, "soon", -1.0])
def test_a_header_without_a_setting_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match="its header has no interval"):
        setting(header(settings={"interval": value}), "interval")


# -- on fleets -------------------------------------------------------------------------------


@settings(max_examples=examples(60), deadline=None)
@given(tales)
def test_nobody_who_died_counts_as_living_and_nobody_who_lived_as_dead(tale: Tale) -> None:
    stretch = Tape(tale).stretch
    made = assess(stretch, recorded(stretch))
    ended = {
        f"compute/h{each.member:02}"
        for each in tale.silences
        if each.restarted or each.end + 20 > tale.seconds
    }
    assert {each.member.name for each in made.deaths} <= ended
    for mistake in made.mistakes:
        begin = mistake.span[0] - stretch.wall(0.0)
        theirs = [s for s in tale.silences if s.member == int(mistake.member.name[-2:])]
        dead = [s for s in theirs if s.restarted and s.begin < begin < s.end]
        assert not [each for each in dead if not overlaps(each, theirs)]


def overlaps(silent: Silent, silences: Sequence[Silent]) -> bool:
    """Whether another silence goes on where this one ends, or ends where this one begins."""
    return any(
        each.begin <= silent.end + 20 and silent.begin <= each.end + 20
        for each in silences
        if each is not silent
    )
