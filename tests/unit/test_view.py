"""What may be asked of a roll, and that asking changes nothing."""

import numpy as np

from musterd.beat import Status
from musterd.model import Facts, Mark, Member
from musterd_coordinator.judge.members import Code
from musterd_coordinator.roll.names import NOBODY
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.steps import whole
from tests.unit.stage import Stage, host, told

ROW_OF_A, ROW_OF_B, ROW_OF_S = 0, 1, 2
ALL = np.arange(3)


def stage_with_three() -> Stage:
    stage = Stage()
    stage.sweep()
    stage.sweep(
        {0: (7, 1), 2: (9, 1)},
        seated=((0, host("a", zone="z1")), (1, host("b")), (2, Member("storage", "s"))),
    )
    return stage


def view_of(stage: Stage) -> RollView:
    return stage.roll.view


def test_who_is_in_which_row() -> None:
    view = view_of(stage_with_three())
    assert (len(view), view.end, list(view.groups)) == (3, 3, ["compute", "storage"])
    assert (view.group_size("compute"), view.group_size("nova")) == (2, None)
    assert sorted(view.rows_of("compute").tolist()) == [ROW_OF_A, ROW_OF_B]
    assert view.rows_of("nova").tolist() == []
    assert (view.row("compute", "b"), view.row("compute", "s")) == (ROW_OF_B, None)
    assert view.rows("storage", ["a", "s"]).tolist() == [NOBODY, ROW_OF_S]
    rows, names = view.names_in("compute", ALL)
    assert (rows.tolist(), names) == ([ROW_OF_A, ROW_OF_B], ["a", "b"])
    assert view.names_in("nova", ALL)[1] == []


def test_names_in_order() -> None:
    view = view_of(stage_with_three())
    assert whole(view.names_after("compute", "", 10)) == ["a", "b"]
    assert whole(view.names_after("compute", "a", 10)) == ["b"]
    assert whole(view.names_after("compute", "", 1)) == ["a"]
    assert whole(view.names_after("nova", "", 10)) == []


def test_what_is_stated_of_rows() -> None:
    stage = stage_with_three()
    view = view_of(stage)
    stage.roll.set_facts(ROW_OF_A, Facts(forced_down=True, zone="z9"), "")
    assert view.stated(ALL).tolist() == [Code.DOWN, Code.UNKNOWN, Code.UP]
    assert view.are_marked(Mark.FORCED_DOWN, ALL).tolist() == [True, False, False]
    assert view.are_in("compute", "z9", ALL).tolist() == [True, False, False]
    assert not view.are_in("compute", "z1", ALL).any()  # nobody is there any more
    assert list(view.zones_of("compute")) == ["", "z9"]
    assert view.zones_of("nova") == {}
    assert view.facts(ROW_OF_B) is None
    assert [verdict.down for verdict in view.verdicts(ALL)] == [True, False, False]


def test_who_left_and_for_how_long() -> None:
    stage = stage_with_three()
    stage.sweep({0: (7, 2), 2: (9, 2)}, status=Status.LEAVING)
    stage.roll.detector.members.heard_at[ROW_OF_S] = np.nan  # as of one that another run heard
    heard, since = stage.now, stage.wall
    stage.now += 20
    rows, gone_for = view_of(stage).left(since + 30)
    assert rows.tolist() == [ROW_OF_A, ROW_OF_S]
    assert gone_for.round(3).tolist() == [round(stage.now - heard, 3), 30.0]


def test_a_tally_is_made_once_a_version() -> None:
    stage = stage_with_three()
    view = view_of(stage)
    first = view.tally()
    assert view.tally() is first
    stage.roll.set_facts(ROW_OF_A, Facts(disabled=True), "")
    assert view.tally() is not first


def test_to_ask_changes_nothing() -> None:
    stage = stage_with_three()
    stage.roll.set_facts(ROW_OF_A, Facts(forced_down=True), "maintenance")
    before = contents(stage)
    answers = stage.answers
    told(stage)
    answers.groups()
    answers.query("compute", ["a", "b", "c"])
    list(answers.portions(None))
    for group in stage.roll.view.groups:
        answers.group(group)
        for answer in answers.members(group).members:
            assert answers.member(group, answer.member) == answer
    stage.roll.view.left(stage.wall)
    assert contents(stage) == before


def contents(stage: Stage) -> object:
    """All that a roll keeps of its members, and what it has not told the registry."""
    roll = stage.roll
    columns = vars(roll.detector.members).items()
    kept = {name: hash(each.tobytes()) for name, each in columns if isinstance(each, np.ndarray)}
    assert len(kept) > len(("state", "since", "heard"))
    pending = roll.pending
    return (
        kept,
        dict(roll.facts),
        roll.view.version,
        pending.members,
        len(pending),
        pending.known_lives(),
    )
