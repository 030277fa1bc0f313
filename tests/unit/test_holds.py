"""Whatever holds verdicts back, or makes them later, is told: in answers, in status, in the log."""

import re
from collections.abc import Hashable
from datetime import timedelta

import numpy as np
from structlog.testing import capture_logs

from musterd.answers import MemberAnswer
from musterd.cli import render
from musterd.cli import show as show_command
from musterd.cli import status as status_command
from musterd.model import State
from musterd.status import Hold
from musterd_coordinator.http import metrics
from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.limits import HttpLimits, Room
from musterd_coordinator.registry.base import portion_of
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Rejected, no_beats
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.sweep.spoilage import Spoiled
from tests.unit.stage import Stage, entry, host, telling, told


def beaten(count: int, **promise: float) -> Stage:
    """Members h1, h2 … that beat once, and two sweeps before."""
    stage = Stage()
    stage.sweep()
    stage.sweep(seated=tuple((n, host(f"h{n}")) for n in range(1, count + 1)))
    beat(stage, 1, *range(1, count + 1), **promise)
    return stage


def beat(stage: Stage, sequence: int, *slots: int, **how: float) -> None:
    stage.sweep(dict.fromkeys(slots, (7, sequence)), **how)  # type: ignore[arg-type]


def held(stage: Stage) -> list[Hold]:
    return told(stage).held


def answer(stage: Stage, name: str) -> MemberAnswer:
    return stage.answers.member("compute", name)


def test_nothing_is_held_while_all_is_well() -> None:
    stage = beaten(3)
    assert (held(stage), told(stage).judged_later, told(stage).latest_down_after) == ([], 0, 0.0)
    assert answer(stage, "h1").down_after == 4.0
    assert answer(stage, "h1").reason == "first beat seen"


def test_an_allowance_after_a_gap_is_told_with_its_end() -> None:
    stage = beaten(2)
    for number in range(6):
        beat(stage, 2 + number, 2)
    stage.sweep(proven=False)
    beat(stage, 20, 2)
    (hold,) = held(stage)
    assert (hold.kind, hold.scope, hold.members) == ("allowance", "mc1:11211", 1)
    assert hold.since == stage.roll.clocks.instant(stage.now)
    assert hold.until == hold.since + timedelta(seconds=2.8)
    assert "not judged before 2.8 s more of listening" in answer(stage, "h1").reason
    assert "not judged" not in answer(stage, "h2").reason
    stage.sweep(proven=False)
    deaf, hold = held(stage)
    assert (deaf.kind, deaf.members, deaf.reason) == ("not listening", 2, "broken")
    assert hold.until is None
    assert "not judged now: it is not heard, for mc1:11211: broken" in answer(stage, "h2").reason
    for number in range(7):
        beat(stage, 30 + number, 2)
    assert stage.state("h1") is State.DOWN
    assert held(stage) == []
    assert "not judged" not in answer(stage, "h1").reason


def test_an_allowance_ends_with_a_beat() -> None:
    stage = beaten(1)
    for _ in range(6):
        stage.sweep()
    stage.sweep(proven=False)
    stage.sweep()
    assert held(stage)
    beat(stage, 2, 1)
    assert held(stage) == []


def test_who_waits_less_than_the_canary_takes_is_named() -> None:
    stage = beaten(4, push_timeout=0.8)
    beat(stage, 2, 4, push_timeout=0.05)
    began = stage.now + 0.5
    stage.sweep(canary=0.06)
    stage.sweep(canary=0.06)
    (hold,) = held(stage)
    assert (hold.kind, hold.scope, hold.members, hold.until) == ("canary", "mc1:11211", 1, None)
    assert hold.since == stage.roll.clocks.instant(began)
    assert "0.06 s" in hold.reason
    assert "compute/h4" in hold.reason
    assert "not judged now: it waits 0.05 s for a push" in answer(stage, "h4").reason
    assert answer(stage, "h1").reason == "first beat seen"
    assert told(stage).listening
    stage.sweep()
    assert held(stage) == []


def test_a_shard_too_slow_for_most_is_not_listening_and_says_why() -> None:
    stage = beaten(3, push_timeout=0.05)
    stage.sweep(canary=0.06)
    (shard,) = told(stage).shards
    assert not told(stage).listening
    assert "the canary took 0.06 s: longer than most members wait" in shard.reason
    stage.sweep()
    assert told(stage).listening


def test_promises_that_no_agent_may_make_are_told_once() -> None:
    stage = beaten(5)
    with capture_logs() as lines:
        beat(stage, 2, 3, interval=0.001)
        beat(stage, 3, 3, interval=0.001)
    (line,) = [line for line in lines if line["event"] == "promises clamped"]
    assert (line["count"], line["members"]) == (1, "compute/h3")
    (hold,) = held(stage)
    assert (hold.kind, hold.scope, hold.members) == ("promises", "", 1)
    assert "compute/h3" in hold.reason
    assert "tell an interval of 0.001 s, which no agent may have" in answer(stage, "h3").reason
    with capture_logs() as lines:
        beat(stage, 4, 3)
    assert "promises kept again" in {line["event"] for line in lines}
    assert held(stage) == []


def test_who_is_judged_later_is_counted_and_said_once() -> None:
    stage = beaten(5)
    with capture_logs() as lines:
        beat(stage, 2, 1, 2, interval=10.0)
        beat(stage, 3, 1, 2, interval=10.0)
    (line,) = [line for line in lines if line["event"] == "members judged later"]
    assert (line["count"], line["service_down_time"], line["latest"]) == (2, 4.0, 25.0)
    assert (told(stage).judged_later, told(stage).latest_down_after) == (2, 25.0)
    assert answer(stage, "h1").down_after == 25.0


def test_people_and_prometheus_see_it_too() -> None:
    stage = beaten(4, push_timeout=0.8)
    beat(stage, 2, 1, 2, interval=10.0, push_timeout=0.8)
    beat(stage, 2, 4, push_timeout=0.05)
    stage.sweep(canary=0.06)
    answered, now = told(stage), stage.roll.clocks.instant(stage.now + 3)
    shown = status_command.text(answered, render.paint(), now)
    assert "4 s of silence; 2 members after a silence of their own, the last after 25 s" in shown
    assert re.search(r"canary +mc1:11211 +1 +3 s +- +the canary took 0.06 s", shown)
    gauges = HttpGauges(Door[Hashable](1, 1), Room(HttpLimits()))
    groups = stage.answers.groups_steps()
    page = whole(metrics.render(telling(stage), groups, gauges=gauges, readers=0))
    assert "\nmusterd_members_judged_later 2.0\n" in page.decode()
    assert '\nmusterd_held{kind="canary",scope="mc1:11211"} 1.0\n' in page.decode()
    shown = show_command.text(answer(stage, "h1"), render.paint(), now)
    assert re.search(r"silent for: +1 s of 25 s of listening, beats every 10 s", shown)


def test_a_crowd_that_changes_its_mind_fills_no_log() -> None:
    stage = beaten(200)
    with capture_logs() as lines:
        for slot in range(1, 201):
            beat(stage, 1 + slot, slot, interval=10.0)
    assert len([line for line in lines if line["event"] == "members judged later"]) == 8
    with capture_logs() as lines:
        beat(stage, 300, *range(1, 201))
    assert "members judged on time again" in {line["event"] for line in lines}


def test_what_stands_in_the_store_when_a_coordinator_starts_tells_its_interval() -> None:
    """A record may be a dead member's last word, and still tells how long to wait for another."""
    stage = Stage()
    stage.sweep({1: (7, 1)}, seated=((1, host("h1")),), interval=10.0)
    for _ in range(48):
        stage.sweep({1: (7, 1)}, interval=10.0)
        assert stage.state("h1") is State.UNKNOWN
    stage.sweep({1: (7, 1)}, interval=10.0)
    stage.sweep({1: (7, 1)}, interval=10.0)
    assert stage.state("h1") is State.DOWN


def test_the_dead_of_long_intervals_are_no_mass_silence_after_a_restart() -> None:
    """They fell before, however recent that looks beside what they may be silent."""
    stage = Stage()
    recent = {"interval": 10.0, "since": stage.roll.clocks.instant(stage.now - 20)}
    names = [f"h{number}" for number in range(12)]
    states = [State.DOWN] * 10 + [State.UP] * 2
    entries = [entry(name, state, **recent) for name, state in zip(names, states, strict=True)]
    stage.roll.restore(portion_of(entries))
    for _ in range(60):
        stage.sweep()
    assert stage.state("h10") is State.DOWN


def test_what_is_spoiled_and_who_is_given_up_are_held_apart() -> None:
    stage = beaten(3)
    for spoiled in (
        Spoiled(np.array([1]), records=3, since=stage.now, until=stage.now + 60.0),
        Spoiled(given_up=np.array([2, 9]), records=3, given_up_since=stage.now),
    ):
        stage.now += 0.5
        swept = SweepOutcome(
            *(stage.now, stage.now, not spoiled.reason, spoiled.reason, Roster()),
            *(BeatBatch(no_beats(), Rejected(), complete=True), 0.001, 0.01, spoiled),
        )
        stage.roll.apply(0, swept)
        found = {hold.kind: hold for hold in held(stage)}
        if spoiled.until is not None:
            assert found["spoiled"].until == stage.roll.clocks.instant(spoiled.until)
    assert (found["given up"].members, found["given up"].until) == (1, None)
    assert "compute/h2" in found["given up"].reason
