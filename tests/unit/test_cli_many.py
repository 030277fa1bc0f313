"""Orders for many members and the history of many, by the command line."""

import json
from datetime import UTC, datetime

import pytest

from musterd.answers import HistoryPage
from musterd.cli import history, members, render
from musterd.model import State, Transition
from musterd_coordinator.service.selection import NO_FILTERS
from tests.unit.cli_desk import NOBODY, Coordinator, Run


def test_a_zone_is_disabled_by_one_order(run: Run) -> None:
    argv = ("disable", "compute", "--zone", "r9", "--reason", "new switch")
    status, out, _ = run(*argv, "--dry-run")
    assert (status, out) == (0, "compute: 1 member would be disabled: new switch: dead\n")
    assert "disabled" not in run("show", "compute", "dead")[1]
    assert run(*argv) == (0, "compute: 1 member now disabled: new switch\n", "")
    assert "disabled: new switch" in run("show", "compute", "dead")[1]
    status, out, _ = run("enable", "compute", "--everybody", "--json")
    answer = json.loads(out)
    assert (status, answer["matched"], len(answer["members"])) == (0, 1007, 100)
    status, out, _ = run("force-down", "compute", "--match", "H000", "--dry-run")
    assert out.endswith(": h0000, h0001, h0002, h0003, h0004 and 5 more\n")


def test_nobody_is_no_answer_and_names_that_are_none_are_told(run: Run) -> None:
    argv = ("unforce", "compute", "--zone", "nowhere")
    assert run(*argv) == (1, "compute: no such members\n", "")
    assert run(*argv, "--expect", "0")[0] == 0
    status, out, err = run("disable", "compute", "h0001", "nobody", "--dry-run")
    assert (status, out) == (1, "compute: 1 member would be disabled: h0001\n")
    assert err == "musterd: group compute has no member nobody\n"


@pytest.mark.parametrize(
    "argv",
    [(), ("h0001", "--zone", "r1"), ("--everybody", "--zone", "r1"), ("--everybody", "h0001")],
)
def test_it_is_said_for_whom_and_in_one_way(run: Run, argv: tuple[str, ...]) -> None:
    for command in ("enable", "confirm-silence"):
        status, out, err = run(command, "compute", *argv)
        assert (status, out) == (2, "")
        assert "say for whom" in err


def test_names_may_stand_before_and_after_options(run: Run) -> None:
    status, out, _ = run("disable", "compute", "h0001", "--reason", "x", "h0002")
    assert (status, out.count("disabled: x\n")) == (0, 2)
    assert run("enable", "--json", "compute", "h0002")[0] == 0
    assert run("enable", "compute", "--rason", "x", "h0002")[0] == 2
    assert run("enable")[0] == 2


def test_a_silence_is_confirmed_at_each_coordinator(run: Run, coordinator: Coordinator) -> None:
    argv = ("confirm-silence", "storage", "--everybody", "--reason", "PDU burnt")
    assert run(*argv) == (0, "storage: 1 member now taken for dead: PDU burnt\n", "")
    both = ("--coordinator", f"{NOBODY},{coordinator.url}")
    status, out, err = run(*argv, *both)
    assert (status, out) == (3, "storage: 1 member now taken for dead: PDU burnt\n")
    assert NOBODY in err
    assert run("confirm-silence", "compute", "--everybody")[0] == 1
    assert run("confirm-silence", "nosuch", "--everybody")[0] == 1
    assert run("confirm-silence", "storage", "--everybody", "--reason", " ")[0] == 2


def test_a_limit_says_that_there_are_more(run: Run) -> None:
    status, out, err = run("members", "compute", "--match", "h", "--limit", "2")
    assert (status, len(out.splitlines())) == (0, 3)
    assert err == "musterd: note: the first 2 are shown, --limit shows more\n"
    page = json.loads(run("members", "compute", "--match", "h", "--limit", "2", "--json")[1])
    assert (len(page["members"]), page["next"]) == (2, "h0001")
    assert run("members", "compute", "--down", "--limit", "1")[2] == ""


def test_a_summary_counts_the_whole_group(coordinator: Coordinator) -> None:
    known = coordinator.desk.group("compute")
    page = coordinator.desk.members("compute", NO_FILTERS, "", 3)
    told = members.summary(known, page, render.plain)
    assert told.startswith("1007 members of compute: ")
    assert told.endswith("; the first 3 are shown, --limit shows more")
    for count in ("1 unknown", "1005 up", "1 down"):
        assert count in told
    assert "\x1b[31m1\x1b[0m down" in members.summary(known, page, render.coloured)


def test_the_history_of_many(run: Run) -> None:
    status, out, _ = run("history", "--limit", "3")
    assert (status, len(out.splitlines())) == (0, 4)
    assert out.split()[:4] == ["AT", "MEMBER", "CHANGE", "BECAUSE"]
    found = json.loads(run("history", "storage", "--json")[1])
    assert [line["member"] for line in found["changes"]] == ["s1"]
    assert "MEMBER" not in run("history", "storage", "s1")[1]
    assert run("history", "storage", "s1", "--since", "1h")[1] == "no changes yet\n"
    assert run("history", "storage", "s1", "--zone", "x")[0] == 2
    assert run("history", "storage", "--since", "soon")[0] == 2


def test_history_fits_eighty_columns() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    reason = "silent for 45.0 s of listening; last beat seen 2026-03-01T11:59:15Z; shard mc1:11211"
    states = State.SUSPECT, State.DOWN
    changes = [
        Transition(1, at, "compute", "host-0042", *states, reason, who, "ann", "10.0.0.17")
        for who in ("c1", "c2")
    ]
    text = history.text(HistoryPage(changes, None), render.plain, at, width=80)
    assert max(map(len, text.splitlines())) <= 80
    for word in ("compute/host-0042", "2026-03-01T11:59:15Z;", "mc1:11211", "10.0.0.17"):
        assert word in text.split()
