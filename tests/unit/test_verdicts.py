"""What is stated of members: whatever an operator says holds everywhere, and everywhere alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.beat import Status
from musterd.model import Facts, Mark, Member, State
from musterd_coordinator.judge.incarnations import CONFLICT_FLIPS, count_flips
from musterd_coordinator.judge.members import STATES, Code
from musterd_coordinator.judge.transitions import Cause
from musterd_coordinator.roll import tally
from musterd_coordinator.roll.verdicts import decide, orders_of, stated, verdict_of, verdicts_of
from musterd_coordinator.service.selection import NO_FILTERS, Filters
from musterd_coordinator.steps import whole
from tests.examples import examples
from tests.unit.stage import Stage

facts = st.builds(Facts, disabled=st.booleans(), forced_down=st.booleans())
codes = st.sampled_from(sorted(STATES))
statuses = st.sampled_from(list(Status))


@given(codes, statuses, facts)
def test_forced_down_is_down(code: int, status: Status, said: Facts) -> None:
    verdict = verdict_of(code, status, orders_of(said))
    assert verdict.up == (verdict.state in (State.UP, State.SUSPECT))
    assert verdict.down == (verdict.state in (State.DOWN, State.LEFT))
    if said.forced_down:
        assert verdict.down
        assert verdict.state is (State.LEFT if code == Code.LEFT else State.DOWN)
    else:
        assert verdict.state is STATES[code]
    assert verdict.schedulable == (verdict.up and not said.disabled and status != Status.DRAINING)


@given(st.lists(st.tuples(codes, statuses, facts), max_size=20))
def test_many_at_once_are_as_each_alone(members: list[tuple[int, Status, Facts]]) -> None:
    columns = [(code, status, orders_of(said)) for code, status, said in members]
    state, status, orders = (
        (np.array(list(each), np.uint8) for each in zip(*columns, strict=True))
        if (columns)
        else (np.zeros(0, np.uint8),) * 3
    )
    verdicts = verdicts_of(state, status, orders)
    assert verdicts == [
        decide(code, each == Status.DRAINING, order) for code, each, order in columns
    ]
    assert [STATES[code] for code in stated(state, orders).tolist()] == [
        verdict.state for verdict in verdicts
    ]


fleets = st.lists(
    st.tuples(
        st.sampled_from(["compute", "network"]),
        st.sampled_from("xy"),
        codes,
        statuses,
        facts,
        st.booleans(),
    ),
    max_size=10,
)


@settings(max_examples=examples(100))
@given(fleets)
def test_answers_counts_filters_and_verdicts_agree(
    fleet: list[tuple[str, str, int, Status, Facts, bool]],
) -> None:
    stage = Stage()
    stage.sweep(
        seated=tuple((slot, Member(one[0], f"h{slot}", one[1])) for slot, one in enumerate(fleet))
    )
    members, answers = stage.roll.detector.members, stage.answers
    for slot, (group, _, code, status, said, conflict) in enumerate(fleet):
        row = stage.roll.directory.row(group, f"h{slot}")
        assert row is not None
        members.state[row], members.status[row] = code, status
        if conflict:
            count_flips(members, np.array([row]), 0.0, Cause.CONTESTED, CONFLICT_FLIPS)
        stage.roll.set_facts(row, said, "")
    stage.roll.changes.notice()
    stage.roll.changes.publish()
    everybody = 0
    for summary in answers.groups().groups:
        each = answers.members(summary.group).members
        everybody += len(each)
        assert summary.members == len(each)
        for state in State:
            assert summary.states[state] == sum(one.state == state for one in each)
        for verdict, count in summary.verdicts.items():
            assert count == sum(getattr(one, verdict) for one in each)
        for mark in Mark:
            bearing = answers.members(summary.group, mark=mark).members
            assert bearing == [one for one in each if mark in one.marks]
            assert summary.marks[mark] == len(bearing)
        answer = answers.group(summary.group)
        assert (answer.states, answer.verdicts, answer.marks) == (
            summary.states,
            summary.verdicts,
            summary.marks,
        )
        portions = [part[summary.group] for part in answers.portions(summary.group)]
        told = {name: verdict for part in portions for name, verdict in part.items()}
        assert told == answers.query(summary.group, [one.member for one in each]).members
        stand = [one for part in answers.summaries(summary.group) for one in part]
        assert sorted((m.name, m.zone, facts.disabled_reason) for m, _, facts in stand) == [
            (one.member, one.zone, one.disabled_reason) for one in each
        ]
        assert {one.member.name: one.verdict for one in stand} == told
    assert tally.members(answers.tally().all) == everybody == len(fleet)


def test_what_an_operator_says_is_in_the_reason_and_what_is_observed_beside_it() -> None:
    stage = Stage()
    stage.sweep(seated=((0, Member("compute", "a")),))
    row = stage.roll.directory.row("compute", "a")
    assert row is not None
    stage.roll.set_facts(row, Facts(forced_down=True, forced_down_reason="psu"), "")
    answer = stage.answers.member("compute", "a")
    assert (answer.state, answer.observed, answer.marks) == (
        State.DOWN,
        State.UNKNOWN,
        (Mark.FORCED_DOWN,),
    )
    assert answer.reason == "forced down: psu; observed unknown: announced; no beat seen yet"
    assert stage.roll.view.reason(row) == "announced; no beat seen yet"  # what the registry keeps


@pytest.mark.parametrize("silent_for", [0.0, 1.0, 2.5, 9.0])
def test_members_that_are_silent_for_so_long_are_found(silent_for: float) -> None:
    stage = Stage()
    seated = tuple((slot, Member("compute", f"h{slot}")) for slot in range(4))
    stage.sweep(seated=seated)
    for slot in range(4):
        row = stage.roll.directory.row("compute", f"h{slot}")
        stage.roll.detector.members.heard[:, row] = -slot  # listening time is 0
    filters = Filters(silent_for=silent_for)
    page = whole(stage.answers.members_steps("compute", filters, "", 1000))
    late = {one.member: one.silent_for for one in page.members}
    assert late == {f"h{slot}": slot for slot in range(4) if slot >= silent_for}


@pytest.mark.parametrize("after", ["", "h0"])
def test_no_filter_is_everybody(after: str) -> None:
    stage = Stage()
    stage.sweep(seated=tuple((slot, Member("compute", f"h{slot}")) for slot in range(3)))
    assert Filters() == NO_FILTERS
    names = [one.member for one in stage.answers.members("compute", after=after).members]
    assert names == ["h0", "h1", "h2"][len(after) // 2 :]
