"""Who is heard where: one shard of several away is no reason to place no work."""

import math
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import member_id
from musterd.cli import render
from musterd.cli import status as status_command
from musterd.model import State
from musterd.status import StatusAnswer
from musterd_coordinator.roll.coverage import Coverage, oldest, redundancy_lost, uncovered
from tests.examples import examples
from tests.unit.stage import NAMESPACE, Stage, host, told


@dataclass(frozen=True)
class Fleet:
    """Members by group and shards, and how each shard is."""

    placed: list[tuple[str, tuple[int, ...]]]
    listening: list[bool]
    ages: list[float | None]


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    shards = draw(st.integers(1, 5))
    numbers = st.lists(st.integers(0, shards - 1), min_size=1, max_size=3, unique=True).map(tuple)
    ages = draw(st.lists(st.none() | st.floats(0, 99), min_size=shards, max_size=shards))
    listening = [age is not None and draw(st.booleans()) for age in ages]
    placed = draw(st.lists(st.tuples(st.sampled_from("ab"), numbers), min_size=1, max_size=20))
    return Fleet(placed, listening, ages)


def counted(fleet: Fleet) -> Coverage:
    coverage = Coverage()
    for group, shards in fleet.placed:
        coverage.add(group, shards)
    return coverage


def is_heard(fleet: Fleet, shards: tuple[int, ...]) -> bool:
    return any(fleet.listening[shard] for shard in shards)


def age_of(fleet: Fleet, shards: tuple[int, ...]) -> float:
    """Of one member: as of when its best shard speaks."""
    heard = [shard for shard in shards if fleet.listening[shard]]
    ages = [fleet.ages[shard] for shard in heard or shards]
    return min((age for age in ages if age is not None), default=math.inf)


@settings(max_examples=examples(100))
@given(fleets())
def test_uncovered_is_who_has_no_listening_shard(fleet: Fleet) -> None:
    coverage = counted(fleet)
    deaf = [shards for _, shards in fleet.placed if not is_heard(fleet, shards)]
    assert uncovered(coverage.all, fleet.listening) == len(deaf)
    for group in "ab":
        of_group = [each for each in fleet.placed if each[0] == group]
        assert sum(coverage.of_group(group).values()) == len(of_group)
    covered, _ = oldest(coverage.all, fleet.listening, fleet.ages)
    assert covered == (not deaf)


@settings(max_examples=examples(100))
@given(fleets())
def test_staleness_is_that_of_the_member_that_is_worst_off(fleet: Fleet) -> None:
    _, shard = oldest(counted(fleet).all, fleet.listening, fleet.ages)
    worst = max(age_of(fleet, shards) for _, shards in fleet.placed)
    assert (math.inf if shard is None else fleet.ages[shard]) == worst


@settings(max_examples=examples(100))
@given(fleets())
def test_redundancy_is_lost_where_a_shard_is_away_and_another_hears_its_members(
    fleet: Fleet,
) -> None:
    lost = {
        shard
        for _, shards in fleet.placed
        for shard in shards
        if not fleet.listening[shard] and is_heard(fleet, shards)
    }
    assert redundancy_lost(counted(fleet).all, fleet.listening) == sorted(lost)


@settings(max_examples=examples(100))
@given(fleets())
def test_who_goes_is_counted_no_more(fleet: Fleet) -> None:
    coverage = counted(fleet)
    for group, shards in fleet.placed:
        coverage.remove(group, shards[::-1])
    assert (coverage.all, coverage.of_group("a"), coverage.of_group("b")) == ({}, {}, {})


def three_shards() -> Stage:
    """Members a, b and c, each of whom beats to two of three shards."""
    homes = {"a": (0, 1), "b": (1, 2), "c": (2, 0)}
    by_id = {member_id(NAMESPACE, "compute", name): homes[name] for name in homes}
    stage = Stage(shards=3, replicas=2, place=by_id.__getitem__)
    for shard in range(3):
        seated = tuple((n, host(name)) for n, name in enumerate(homes) if shard in homes[name])
        stage.sweep(shard=shard, seated=seated)
    for _ in range(2):
        for shard in range(3):
            stage.sweep(shard=shard)
    return stage


def placed(stage: Stage) -> set[tuple[int, ...]]:
    return set(stage.roll.placement.coverage.all)


def test_with_one_of_three_shards_away_a_scheduler_places_work() -> None:
    stage = three_shards()
    assert placed(stage) == {(0, 1), (1, 2), (0, 2)}
    for sequence in range(1, 20):
        stage.sweep({0: (7, sequence), 2: (9, sequence)}, shard=0)
        stage.sweep({0: (7, sequence), 1: (8, sequence)}, shard=1)
        stage.sweep(shard=2, proven=False)
    answer = stage.answers.query("compute", ["a", "b", "c"])
    assert answer.listening
    assert answer.staleness == 1.0
    assert all(verdict.schedulable for verdict in answer.members.values())
    status = told(stage)
    assert (status.listening, status.uncovered, status.redundancy_lost) == (True, 0, ["mc3:11211"])
    assert shown(status, stage).count("redundancy lost on mc3:11211") == 1
    assert not [hold for hold in status.held if hold.kind == "not listening"]


def test_with_two_of_three_away_those_are_told_who_have_no_other() -> None:
    stage = three_shards()
    stage.sweep({0: (7, 1), 2: (9, 1)}, shard=0)
    for shard in (1, 2):
        stage.sweep(shard=shard, proven=False)
    status = told(stage)
    assert (status.listening, status.uncovered) == (False, 1)
    assert status.redundancy_lost == ["mc2:11211", "mc3:11211"]
    holds = [hold for hold in status.held if hold.kind == "not listening"]
    assert [(hold.scope, hold.members) for hold in holds] == [("mc2:11211", 1), ("mc3:11211", 1)]
    assert "1 members are heard nowhere" in shown(status, stage)
    assert "not heard, for mc2:11211: broken; mc3" in stage.answers.member("compute", "b").reason
    assert "not heard" not in stage.answers.member("compute", "a").reason


def test_who_was_forgotten_or_moved_is_counted_where_it_is() -> None:
    stage = three_shards()
    row = stage.answers.row("compute", "b")
    stage.roll.placement.reconcile(0, stage.roll.directory.rows("compute", ["b"]))
    assert placed(stage) == {(0, 1), (0, 2)}
    stage.roll.remove([row])
    assert stage.roll.placement.coverage.all.total() == 2
    for name in ("a", "c"):
        stage.roll.remove([stage.answers.row("compute", name)])
    assert placed(stage) == set()
    assert stage.answers.freshness()[0]
    stage.sweep(shard=2, proven=False)
    assert not stage.answers.freshness()[0]


def test_a_mass_silence_and_a_start_are_among_what_is_held() -> None:
    stage = Stage()
    assert [hold.kind for hold in told(stage).held] == ["starting"]
    names = tuple((n, host(f"h{n}", zone="z")) for n in range(20))
    stage.sweep()
    stage.sweep(seated=names)
    stage.sweep(dict.fromkeys(range(20), (7, 1)))
    for _ in range(10):
        stage.sweep()
    assert stage.state("h3") is State.SUSPECT
    (storm,) = [hold for hold in told(stage).held if hold.kind == "storm"]
    assert (storm.scope, storm.members) == ("compute/z", 20)
    assert storm.until is not None


def shown(status: StatusAnswer, stage: Stage) -> str:
    return status_command.text(status, render.paint(), stage.roll.clocks.instant(stage.now))


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 members without one"), (3, "3 members without one")]
)
def test_status_says_how_many_do_not_sign_where_they_need_not(count: int, said: str) -> None:
    stage = Stage()
    signed = msgspec.structs.replace(told(stage), signatures="accept", beating_unsigned=count)
    assert said in shown(signed, stage)
    required = msgspec.structs.replace(signed, signatures="require")
    assert "without one" not in shown(required, stage)
