"""Answers at scale: pages by columns or one by one, counts once a version, sweeps in steps."""

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from musterd.beat import Status
from musterd.model import Facts, Mark, Member, State, Verdict
from musterd_coordinator.judge.members import STATES
from musterd_coordinator.service.queries import Queries
from tests.unit.stage import Stage, host

codes = st.sampled_from(sorted(STATES))
fleets = st.lists(
    st.tuples(st.sampled_from(["compute", "network"]), st.sampled_from("xy"), codes, st.booleans()),
    max_size=12,
)


def staged(fleet: list[tuple[str, str, int, bool]]) -> Stage:
    """A roll of members in these groups, zones and states, some of them forced down."""
    stage = Stage()
    seated = tuple(
        (slot, Member(group, f"h{7 * slot % 12:02}", zone))
        for slot, (group, zone, _, _) in enumerate(fleet)
    )
    stage.sweep(seated=seated)
    for (_, member), (*_, code, forced) in zip(seated, fleet, strict=True):
        row = stage.roll.directory.row(member.group, member.name)
        assert row is not None
        stage.roll.detector.members.state[row] = code
        if forced:
            stage.roll.set_facts(row, Facts(forced_down=True), "")
    return stage


@pytest.mark.parametrize("few", [0, 100])
@given(fleets, st.sampled_from(["", "h03", "h07"]))
@settings(max_examples=60)
def test_a_page_has_whoever_passes_the_filters(
    few: int, fleet: list[tuple[str, str, int, bool]], after: str
) -> None:
    stage = staged(fleet)
    answers = Queries(stage.roll.view, few=few)
    for group in stage.roll.directory.groups:
        everyone = answers.members(group).members
        assert [each.member for each in everyone] == sorted(each.member for each in everyone)
        for state, zone, up in product((None, *State), (None, "x", "z"), (None, True, False)):
            page = answers.members(group, state=state, zone=zone, up=up, after=after)
            assert page.members == [
                each
                for each in everyone
                if (state is None or each.state == state)
                and (zone is None or each.zone == zone)
                and (up is None or each.up == up)
                and each.member > after
            ]


@given(fleets)
@settings(max_examples=60)
def test_counts_are_those_of_the_members(fleet: list[tuple[str, str, int, bool]]) -> None:
    stage = staged(fleet)
    stage.roll.changes.notice()
    stage.roll.changes.publish()
    for summary in stage.answers.groups().groups:
        members = stage.answers.members(summary.group).members
        assert summary.members == len(members)
        answer = stage.answers.group(summary.group)
        assert answer.states == summary.states
        for state in State:
            named = [each for each in members if each.state == state]
            assert summary.states[state] == len(named)
            for zone, counts in answer.zones.items():
                assert counts[state] == sum(each.zone == zone for each in named)


@given(fleets, st.lists(st.sampled_from(["nobody", *(f"h{number:02}" for number in range(12))])))
@settings(max_examples=100)
def test_a_query_says_of_each_what_is_said_of_it_alone(
    fleet: list[tuple[str, str, int, bool]], names: list[str]
) -> None:
    stage = staged(fleet)
    members = stage.roll.detector.members
    members.status[members.used] = Status.DRAINING
    members.status[:1] = Status.OK
    for group, found in stage.roll.directory.groups.items():
        present = {stage.roll.directory.member(row).name for row in found.rows}
        asked = list(dict.fromkeys(names))
        answer = stage.answers.query(group, names)
        assert answer.not_found == [name for name in asked if name not in present]
        assert list(answer.members) == [name for name in asked if name in present]
        for name, verdict in answer.members.items():
            alone = stage.answers.member(group, name)
            flags = alone.up, alone.schedulable, alone.down, alone.state
            assert verdict == Verdict(*flags)


def test_each_field_of_an_answer_says_what_its_name_says() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep({0: (7, 1)}, seated=((0, host("a")),), interval=1.25)
    facts = Facts(
        zone="z1",
        owner="me",
        metadata={"rack": "r1"},
        disabled=True,
        disabled_reason="kernel",
        forced_down=True,
        forced_down_reason="smoke",
    )
    stage.roll.set_facts(stage.answers.row("compute", "a"), facts, "")
    stage.sweep()
    answer = stage.answers.member("compute", "a")
    assert asdict(answer) == {
        "group": "compute",
        "member": "a",
        "state": State.DOWN,
        "up": False,
        "schedulable": False,
        "down": True,
        "reason": "forced down: smoke; observed up: first beat seen",
        "since": datetime.fromtimestamp(stage.wall - 0.5, UTC),
        "silent_for": 0.5,
        "interval": 1.25,
        "incarnation": f"{7:016x}",
        "conflict": False,
        "zone": "z1",
        "owner": "me",
        "metadata": {"rack": "r1"},
        "disabled": True,
        "disabled_reason": "kernel",
        "forced_down": True,
        "forced_down_reason": "smoke",
        "observed": State.UP,
        "marks": (Mark.DISABLED, Mark.FORCED_DOWN),
        "down_after": stage.roll.detector.members.down_after[0],
        "facts_age": None,
        "conflict_reason": "",
    }
    assert stage.answers.members("compute").members == [answer]


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1 / 3, 59.9994, 86400.123456])
def test_durations_are_told_to_the_millisecond_however_many_are_asked_for(seconds: float) -> None:
    stage = Stage()
    stage.sweep(seated=((0, host("a")),))
    members = stage.roll.detector.members
    members.interval[0], members.down_after[0] = seconds, seconds
    members.heard[0, 0] -= seconds - stage.roll.detector.silence_of(0)
    one, [among] = stage.answers.member("compute", "a"), stage.answers.members("compute").members
    assert (one.silent_for, one.interval) == (among.silent_for, among.interval)
    assert one.silent_for == one.down_after == among.down_after == round(seconds, 3)
