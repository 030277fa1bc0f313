"""Each order says who gave it: in the history, the events, the log, and on a screen."""

from datetime import timedelta
from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from musterd.answers import History
from musterd.cli import history, watch
from musterd.cli.journal import Change
from musterd.cli.render import plain
from musterd.model import FactsChange, State, Transition
from musterd.orders import Origin
from tests.unit.bureau import START, bureau

OPS = Origin("ops", "10.0.0.7", "r-1")
NIGHT = Origin("night", "10.0.0.8", "r-2")


async def test_an_order_is_told_with_its_origin_everywhere(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        with capture_logs() as lines:
            await at.office.change_facts("compute", "a", FactsChange(disabled=True), OPS)
            await at.office.forget("compute", "a", force=True, origin=NIGHT)
        assert [(line["event"], line["actor"], line["request"]) for line in lines] == [
            ("member changed", "ops", "r-1"),
            ("member forgotten", "night", "r-2"),
        ]
        told = at.office.changes_since(at.stage.roll.version - 2) or []
        assert [(each.actor, each.address, each.request, each.gone) for each in told] == [
            (*OPS, False),
            (*NIGHT, True),
        ]
        for _ in range(2):  # before it is written, and after
            lines_of = (await at.office.history("compute", "a", 10)).changes
            assert [(one.actor, one.address, one.request) for one in lines_of] == [
                NIGHT,
                OPS,
                ("", "", ""),
            ]
            await at.recorder.flush(0.0)


async def test_what_a_sweep_finds_out_is_nobody_s_order(tmp_path: Path) -> None:
    async with bureau(tmp_path) as at:
        await at.office.change_facts("compute", "a", FactsChange(disabled=True), OPS)
        at.stage.sweep({0: (8, 1)})  # a restart, in the next version
        (told,) = at.office.changes_since(at.stage.roll.version - 1) or []
        assert (told.member, told.actor) == ("a", "")
        assert (told.old, told.cause, told.zone) == (State.UP, "restarted", "")


async def test_a_change_says_from_what_and_where_and_an_order_changes_no_state(
    tmp_path: Path,
) -> None:
    async with bureau(tmp_path) as at:
        await at.office.change_facts("compute", "a", FactsChange(zone="r1"), OPS)
        for turn in range(1, 41):
            at.stage.sweep({1: (9, turn)})  # the other member alone
        told = at.office.changes_since(at.stage.roll.version - 3) or []
        steps = [(one.old, one.state, one.cause, one.zone) for one in told if one.member == "a"]
        assert (None, State.UP, "", "r1") in steps
        assert steps[-1] == (State.UP, State.DOWN, "silent", "r1")


def line(at: int, actor: str = "", address: str = "", by: str = "c1") -> Transition:
    instant = START + timedelta(seconds=at)
    states = State.UP, State.UP
    return Transition(at, instant, "g", "a", *states, f"because {at}", by, actor, address)


def test_a_history_on_a_screen_says_by_whom() -> None:
    text = history.text(
        History("g", "a", [line(2, "ops", "10.0.0.7"), line(1)]), plain, START + timedelta(60)
    )
    head, first, second = text.splitlines()
    assert head.split() == ["AT", "AGO", "CHANGE", "BY", "BECAUSE"]
    assert "up -> up  ops from 10.0.0.7  because 2" in first
    assert second.endswith("because 1")


def test_a_history_without_orders_has_no_column_for_them() -> None:
    text = history.text(History("g", "a", [line(1)]), plain, START)
    assert text.splitlines()[0].split() == ["AT", "AGO", "CHANGE", "BECAUSE"]


def test_a_history_of_several_coordinators_says_which_one_saw_each_change() -> None:
    text = history.text(History("g", "a", [line(2, by="c2"), line(1)]), plain, START)
    head, *rows = text.splitlines()
    seen = slice(head.index("SEEN BY"), head.index("BECAUSE"))
    assert [row[seen].strip() for row in rows] == ["c2", "c1"]


def test_a_change_that_is_watched_says_by_whom() -> None:
    change = Change(START, "g", "a", "up", "up, disabled", "kernel", "ops")
    assert watch.text(change, plain).endswith("up -> up, disabled  (kernel)  by ops")
    assert msgspec.json.decode(msgspec.json.encode(change))["actor"] == "ops"
