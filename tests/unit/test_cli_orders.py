"""The commands that give orders, against the real HTTP API over a desk of known answers."""

import json
import re

import pytest

from tests.unit.cli_desk import NOBODY, Run


def test_orders_are_carried_out_and_told(run: Run) -> None:
    argv = ("compute", "h0001", "h0002")
    status, out, _ = run("disable", *argv, "--reason", "new disk")
    assert status == 0
    assert out == "compute/h0001: up, disabled: new disk\ncompute/h0002: up, disabled: new disk\n"
    assert run("query", *argv) == (
        0,
        "MEMBER    VERDICT\nh0001     up, not schedulable\nh0002     up, not schedulable\n",
        "",
    )
    status, out, _ = run("force-down", *argv, "--json")
    assert [json.loads(line)["down"] for line in out.splitlines()] == [True, True]
    assert run("query", *argv)[0] == 1
    assert run("unforce", *argv)[0] == 0
    assert run("enable", *argv)[1] == "compute/h0001: up\ncompute/h0002: up\n"
    assert "disabled: new disk" not in run("show", "compute", "h0001")[1]


def test_orders_about_strangers_are_refused(run: Run) -> None:
    assert run("force-down", "compute", "nobody")[0] == 1
    status, out, err = run("forget", "compute", "dead", "nobody")
    assert (status, out) == (1, "compute/dead: forgotten\n")
    assert "'nobody'" in err


def test_a_member_that_is_up_is_forgotten_only_by_force(run: Run) -> None:
    status, _, err = run("forget", "compute", "h0001")
    assert status == 1
    assert "is up" in err
    assert run("forget", "compute", "h0001", "--force")[0] == 0
    assert run("show", "compute", "h0001")[0] == 1


def test_one_that_is_refused_holds_up_no_other(run: Run) -> None:
    status, out, err = run("disable", "compute", "nosuch", "h0001", "nobody", "h0002")
    assert (status, err.count("\n")) == (1, 2)
    assert out == "compute/h0001: up, disabled\ncompute/h0002: up, disabled\n"
    status, out, err = run("forget", "compute", "h0001", "dead", "--json")
    assert status == 1
    assert "--force" in err
    assert json.loads(out) == {"group": "compute", "member": "dead", "forgotten": True}


def test_an_order_that_nobody_takes_says_for_whom(run: Run) -> None:
    status, _, err = run("disable", "compute", "h0001", "h0002", "--coordinator", NOBODY)
    assert status == 3
    assert "not done for h0001, h0002" in err


def test_what_an_agent_announces_is_overruled_and_holds_again(run: Run) -> None:
    assert run("set", "compute", "h0001", "--zone", "r7", "--meta", "a=1", "--meta", "b=2")[0] == 0
    out = run("show", "compute", "h0001")[1]
    assert re.search(r"zone: +r7", out)
    assert re.search(r"metadata b: +2", out)
    assert run("set", "compute", "h0001", "--unset", "zone", "--owner", "us")[0] == 0
    assert re.search(r"zone: +r1", run("show", "compute", "h0001")[1])
    assert run("set", "compute", "nobody", "--zone", "x")[0] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "nothing to set"),
        (("--zone", "a", "--unset", "zone"), "zone is both"),
        (("--meta", "foo"), "--meta: 'foo' is not usable; use a table of texts, or K=V words"),
        (("--zone", "a\nb"), "control characters"),
    ],
)
def test_nothing_to_set_is_wrong_use(run: Run, argv: tuple[str, ...], words: str) -> None:
    status, out, err = run("set", "compute", "h0001", *argv)
    assert (status, out) == (2, "")
    assert words in err
