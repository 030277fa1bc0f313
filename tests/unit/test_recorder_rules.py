"""What Nova's own rules say is recorded beside musterd's verdicts, and decides none of them."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import State
from musterd.trace.lines import HeadCount, RuleChange, StillSilent
from musterd.trace.words import Rule
from musterd_coordinator.tracing.rules import are_alive
from tests.unit.trace_stage import TraceStage

DOWN_TIME = 4.0


@given(st.lists(st.floats(-1e6, 1e6)), st.floats(0.1, 1e4))
def test_rules_are_novas(given_ages: list[float], down_time: float) -> None:
    ages = np.array(given_ages, np.float64)
    by_db, by_mc = (are_alive(rule, ages, down_time).tolist() for rule in (Rule.DB, Rule.MC))
    assert by_db == [abs(age) <= down_time for age in given_ages]
    assert by_mc == [not age > down_time for age in given_ages]


def test_a_row_that_is_too_old_is_dead_to_nova(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    beats = stage.join("a", "b")
    stage.go_on(beats, 4, {0: 1.0, 1: DOWN_TIME})
    assert stage.of(RuleChange) == []
    stage.go_on(beats, 1, {0: 1.0, 1: 4.5})
    dead = stage.t
    stage.go_on(beats, 3, {0: 1.0, 1: 5.5})
    stage.go_on(beats, 2, {0: 1.0, 1: 0.25})
    assert stage.of(RuleChange) == [
        RuleChange(dead, 2, "db", 0, 4.5),
        RuleChange(dead + 2.0, 2, "db", 1, 0.25),
    ]
    assert stage.state("b") is State.UP


def test_a_clock_that_is_wrong_makes_all_dead_to_nova_and_nobody_here(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    beats = stage.join("a", "b")
    stage.go_on(beats, 4, {0: 0.0, 1: 1.0})
    for by, ages in ((-90.0, (-90.0, -89.0)), (90.0, (0.0, 1.0))):
        stage.wall += by
        stage.go_on(beats, 4, dict(enumerate(ages)))
    wrong = stage.t - 1.5
    assert stage.of(RuleChange) == [
        RuleChange(wrong - 2.0, 1, "db", 0, -90.0),
        RuleChange(wrong - 2.0, 2, "db", 0, -89.0),
        RuleChange(wrong, 1, "db", 1, 0.0),
        RuleChange(wrong, 2, "db", 1, 1.0),
    ]
    assert {stage.state(name) for name in ("a", "b")} == {State.UP}


def test_of_who_is_dead_to_nova_it_is_told_whether_it_is_silent(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2, {0: 0.0, 1: 0.0})
    last = stage.t - 0.5
    stage.go_on({1: beats[1]}, 5, {0: 9.0, 1: 9.0})
    assert stage.of(StillSilent) == []
    stage.go_on({1: beats[1] + 3}, 1, {0: 0.0, 1: 0.0})
    stage.go_on({1: beats[1] + 4}, 1, {0: 9.0, 1: 9.0})
    assert set(stage.of(StillSilent)) == {StillSilent(stage.t, 1, last)}  # it is down, too


def test_where_nova_gets_no_answer_nothing_is_recorded(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    beats = stage.join("a", "b")
    stage.go_on(beats, 4, {0: 1.0, 1: float("nan"), 9: 1.0})
    for _ in range(20):
        stage.away()
    assert stage.of(RuleChange) == []


def test_a_memcached_that_is_away_has_nobody_alive(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.MC)
    beats = stage.join("a", "b")
    stage.go_on(beats, 4)
    for _ in range(3):
        stage.away()
    away = stage.t - 1.0
    stage.go_on(beats, 2)
    assert stage.of(RuleChange) == [
        RuleChange(away, 1, "mc", 0),
        RuleChange(away, 2, "mc", 0),
        RuleChange(away + 1.5, 1, "mc", 1, 0.01),
        RuleChange(away + 1.5, 2, "mc", 1, 0.01),
    ]
    assert {stage.state(name) for name in ("a", "b")} == {State.UP}


def test_a_value_that_was_evicted_or_is_old_is_dead_to_nova(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.MC)
    beats = stage.join("a", "b", "c")
    stage.go_on(beats, 4)
    before = len(stage.of(RuleChange))
    sent = {0: stage.wall - 5.0, 2: stage.wall + 500.0}
    stage.sweep({0: (7, 9), 2: (7, 9)}, sent=sent)
    assert stage.of(RuleChange)[before:] == [
        RuleChange(stage.t, 1, "mc", 0, 5.51),
        RuleChange(stage.t, 2, "mc", 0),
    ]
    stage.end()
    assert stage.of(HeadCount)[-1].dead == {"mc": 2}


def test_of_a_memcached_that_is_read_in_part_only_what_was_read_is_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.MC)
    beats = stage.join("a", "b")
    stage.go_on(beats, 4)
    before = len(stage.of(RuleChange))
    stage.sweep({0: (7, 9)}, sent={0: stage.wall - 5.0}, proven=False)
    assert [(line.id, line.alive) for line in stage.of(RuleChange)[before:]] == [(1, 0)]
