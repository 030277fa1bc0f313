"""What was recorded is judged anew as it was judged, and otherwise under other settings."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings

from musterd.errors import ConfigError
from musterd.trace.lines import (
    HeadCount,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceMember,
    VerdictChange,
)
from musterd.trace.recording import Recording, Said
from musterd_coordinator.replay import replayed, verdicts_of
from musterd_coordinator.replay.player import Player
from musterd_coordinator.replay.rules import replay_rules
from musterd_coordinator.replay.script import script_of
from tests.examples import examples
from tests.unit.taped import PERIOD, Silent, Tale, Tape, header, tales

Verdicts = Mapping[int, Sequence[Said]]


def changes(verdicts: Verdicts) -> dict[int, list[str]]:
    """What was said of whom, after that it was up at first."""
    found = {who: [each.word for each in said if each.t > 0] for who, said in verdicts.items()}
    return {who: words for who, words in found.items() if words}


def furthest(some: Verdicts, others: Verdicts) -> float:
    """By how many seconds the same verdicts came at other times, at most."""
    return max(
        (
            abs(one.t - other.t)
            for who, said in some.items()
            for one, other in zip(
                [each for each in said if each.t > 0], others.get(who, ()), strict=True
            )
        ),
        default=0.0,
    )


@settings(max_examples=examples(100), deadline=None)
@given(tales)
def test_under_the_same_settings_the_verdicts_are_those_that_were_recorded(tale: Tale) -> None:
    stretch = Tape(tale).stretch
    again = verdicts_of(stretch, {})
    assert changes(again) == changes(stretch.verdicts)
    assert furthest(stretch.verdicts, again) <= 2 * PERIOD


LOSS = Silent(1, 100.0, 190.0)


def words(verdicts: Verdicts, who: int) -> list[str]:
    return [each.word for each in verdicts.get(who, ())]


def test_a_longer_down_time_spares_who_is_silent_for_less() -> None:
    stretch = Tape(Tale(silences=[LOSS, Silent(2, 300.0)])).stretch
    assert words(verdicts_of(stretch, {}), 1) == ["down", "up"]
    longer = verdicts_of(stretch, {"service_down_time": 120.0})
    assert words(longer, 1) == []
    assert words(longer, 2) == ["down"]
    assert longer[2][0].t == pytest.approx(292 + 120, abs=2 * PERIOD)
    assert replayed(stretch, {"service_down_time": 120.0}).keys() == {2}


def test_a_shorter_one_finds_deaths_sooner_and_errs_more() -> None:
    stretch = Tape(Tale(silences=[Silent(1, 100.0, 140.0), Silent(2, 300.0)])).stretch
    sooner = verdicts_of(stretch, {"service_down_time": 30.0})
    assert words(sooner, 1) == ["down", "up"]
    assert sooner[2][0].t == pytest.approx(292 + 30, abs=2 * PERIOD)


def test_a_slower_sweep_finds_the_same_a_little_later() -> None:
    stretch = Tape(Tale(silences=[Silent(2, 300.0)])).stretch
    (said,) = verdicts_of(stretch, {"sweep_period": 5.0})[2]
    assert said.t == pytest.approx(292 + 60, abs=10.0)


def test_a_mass_silence_is_held_for_as_long_as_is_asked() -> None:
    together = [Silent(member, 300.0) for member in range(8)]
    stretch = Tape(Tale(silences=together, storm_min=5, seconds=900.0)).stretch
    assert words(stretch.verdicts, 1) == ["up", "suspect", "down"]
    longer = verdicts_of(stretch, {"storm_hold": 180.0})[1]
    assert [each.word for each in longer] == ["suspect", "down"]
    assert longer[1].t - longer[0].t == pytest.approx(180, abs=2 * PERIOD)


def test_a_hold_of_two_down_times_stays_that() -> None:
    assert replay_rules(header(), {"service_down_time": 90.0}).judging.storm_hold == 180.0
    other = header(settings={"storm_hold": 100.0})
    assert replay_rules(other, {"service_down_time": 90.0}).judging.storm_hold == 100.0


def test_who_beats_seldom_is_judged_by_its_own_interval() -> None:
    stretch = Tape(Tale(silences=[LOSS])).stretch
    assert words(verdicts_of(stretch, {"interval": 40.0}), 1) == []  # down after 100 s


def test_services_of_nova_wait_for_an_answer() -> None:
    rules = replay_rules(header(settings={"rpc_response_timeout": 60.0}), {})
    assert rules.judging.queued
    assert rules.judging.push_timeout(np.array([10.0])).tolist() == [60.0]
    usual = replay_rules(header(settings={"push_timeout": None}), {})
    assert usual.judging.push_timeout(np.array([10.0, 2.0])).tolist() == [5.0, 1.6]


def test_sweeps_that_are_longer_than_a_down_time_are_refused() -> None:
    with pytest.raises(ConfigError, match="a sweep period of 60 s is not shorter"):
        verdicts_of(Tape(Tale(seconds=1.0)).stretch, {"sweep_period": 60.0})


@pytest.mark.parametrize("setting", ["interval", "sweep_period"])
def test_a_header_with_what_no_coordinator_has_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"no coordinator has a {setting} of 0 s"):
        replay_rules(header(settings={setting: 0.0}), {})


def test_an_interval_that_no_member_may_have_is_held_to_what_one_may() -> None:
    tape = Tape(Tale(members=1, seconds=30.0))
    tape.lines[0] = TraceMember(0, "compute", "h0", "az1", 0, -5.0)
    rules = replay_rules(tape.stretch.header, {})
    assert script_of(tape.stretch, rules).parts[0].interval == 0.05


def test_calm_is_left_out() -> None:
    tale = Tale(silences=[LOSS], seconds=600.0)
    tape = Tape(tale)
    tape.lines.append(HeadCount(7 * 86400.0, tale.members, tale.members))
    tape.lines.append(SilenceEnded(6 * 86400.0, 3, 6 * 86400.0 - 95))
    stretch = tape.stretch
    rules = replay_rules(stretch.header, {})
    player = Player(script_of(stretch, rules), rules)
    player.play()
    assert words(player.verdicts, 3) == ["down", "up"]
    assert player.verdicts[3][0].t == pytest.approx(6 * 86400 - 95 + 60, abs=2 * PERIOD)
    assert player.sweeps < 1000


def test_newcomers_leavers_and_who_is_forgotten() -> None:
    tape = Tape(Tale(members=6, seconds=100.0))
    tape.lines += [
        TraceMember(6, "compute", "late", "az1", 0),
        VerdictChange(200.0, 6, "up", "first_beat"),
        VerdictChange(300.0, 1, "left", "leaving"),
        StillSilent(900.0, 1, 300.0),
        VerdictChange(300.0, 2, "gone"),
        VerdictChange(400.0, 3, "down", "check_failing"),
        VerdictChange(500.0, 3, "up", "beat"),
        StillSilent(900.0, 6, 600.0),
    ]
    again = verdicts_of(tape.stretch, {})
    assert words(again, 6) == ["up", "down"]
    assert words(again, 1) == ["left"]
    assert words(again, 2) == []
    assert [each.reason for each in again[3]] == ["check_failing", "beat"]


def test_who_was_dead_before_stays_so_until_it_beats() -> None:
    tape = Tape(Tale(members=4, seconds=100.0))
    tape.lines += [
        TraceMember(4, "compute", "dead", "az1", 0),
        VerdictChange(0.0, 4, "down", "silent"),
        VerdictChange(500.0, 4, "up", "beat"),
        TraceMember(5, "compute", "unheard", "az1", 0),
        VerdictChange(0.0, 5, "up", ""),
        VerdictChange(60.0, 5, "down", "silent"),
        HeadCount(900.0, 6, 5),
    ]
    again = verdicts_of(tape.stretch, {})
    assert words(again, 4) == ["up"]
    assert words(again, 5) == ["down"]


def test_who_beats_to_two_shards_is_judged_by_the_one_that_listens() -> None:
    stretch = Recording(header(shards=["mc1", "mc2"]))
    away = [ShardTurn(0.0, 0, "deaf", "away"), ShardTurn(0.0, 1, "ok")]
    both = TraceMember(1, "compute", "h1", "az1", 0, 0.0, (1,))
    first = TraceMember(2, "compute", "h2", "az1", 0)
    silent = [SilenceEnded(300.0, who, 100.0) for who in (1, 2)]
    up = [VerdictChange(0.0, who, "up", "beat") for who in (1, 2)]
    stretch.add([both, first, *up, *away, *silent, HeadCount(400.0, 2, 2)])
    again = verdicts_of(stretch.finish(), {})
    assert [(each.word, round(each.t)) for each in again[1]] == [("down", 160), ("up", 300)]
    assert 2 not in again
