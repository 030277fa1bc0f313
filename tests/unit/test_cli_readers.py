"""The commands that ask and order, against the real HTTP API over a desk of known answers."""

import io
import json
import re
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import given
from hypothesis import strategies as st

from musterd import cli
from musterd.cli import ask, query, render
from musterd.model import Member, State, StormStatus, Verdict
from musterd_coordinator.http.app import make_app
from musterd_coordinator.http.server import serve_http
from tests.http_desk import DictDesk, shard_status

NOBODY = "http://127.0.0.1:1"


class Coordinator:
    """A desk, and the URL at which it answers."""

    def __init__(self, portal: BlockingPortal, desk: DictDesk, url: str) -> None:
        self._portal, self.desk, self.url = portal, desk, url

    def do(self, change: Callable[..., Any], *args: Any, **named: Any) -> None:
        """Let the desk's own thread change it."""
        self._portal.call(partial(change, *args, **named))


def a_desk() -> DictDesk:
    desk = DictDesk()
    desk.put(*(Member("compute", f"h{n:04}", zone=f"r{n % 2}") for n in range(1005)))
    desk.put(Member("compute", "dead", zone="r9", owner="us"), state=State.DOWN, reason="silent")
    desk.put(Member("compute", "new", metadata={"cpu": "epyc"}), state=State.UNKNOWN)
    desk.put(Member("storage", "s1"), state=State.SUSPECT, reason="mass silence")
    return desk


async def _serve(desk: DictDesk, *, task_status: TaskStatus[str]) -> None:
    async with anyio.create_task_group() as tasks:
        (url,) = await tasks.start(serve_http, make_app(desk), "127.0.0.1:0")
        task_status.started(url)
        await anyio.sleep_forever()


@pytest.fixture
def coordinator(monkeypatch: pytest.MonkeyPatch, no_configuration: Path) -> Iterator[Coordinator]:
    desk = a_desk()
    with start_blocking_portal() as portal:
        serving, url = portal.start_task(_serve, desk)
        monkeypatch.setenv("MUSTERD_COORDINATOR", url)
        yield Coordinator(portal, desk, url)
        serving.cancel()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(coordinator: Coordinator, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line here; its status, output and error output."""

    def _run(*argv: str) -> tuple[int, str, str]:
        status = cli.main(argv)
        return status, *capsys.readouterr()

    return _run


def column(text: str, number: int = 0) -> list[str]:
    return [line.split()[number] for line in text.splitlines()]


def test_groups(run: Run) -> None:
    status, out, err = run("groups")
    assert (status, err) == (0, "")
    assert column(out) == ["GROUP", "compute", "storage"]
    assert column(out, 1) == ["MEMBERS", "1007", "1"]
    status, out, _ = run("groups", "--json")
    assert [one["group"] for one in json.loads(out)["groups"]] == ["compute", "storage"]


def test_members_come_from_every_page(run: Run) -> None:
    status, out, _ = run("members", "compute")
    assert status == 0
    assert len(out.splitlines()) == 1008
    assert out.splitlines()[0].split() == ["MEMBER", "STATE", "FOR", "ZONE", "OWNER", "NOTES"]
    status, out, _ = run("members", "compute", "--json")
    answer = json.loads(out)
    assert (len(answer["members"]), answer["next"], answer["listening"]) == (1007, None, True)


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (("--down",), ["dead"]),
        (("--state", "unknown"), ["new"]),
        (("--zone", "r9"), ["dead"]),
        (("--up", "--zone", "r9"), []),
    ],
)
def test_members_are_filtered(run: Run, argv: tuple[str, ...], names: list[str]) -> None:
    _, out, _ = run("members", "compute", *argv, "--json")
    assert [one["member"] for one in json.loads(out)["members"]] == names


def test_no_such_members_and_no_such_group(run: Run) -> None:
    assert run("members", "compute", "--zone", "nowhere") == (0, "no such members\n", "")
    status, out, err = run("members", "computer")
    assert (status, out) == (1, "")
    assert "no group 'computer'" in err


def test_show(run: Run) -> None:
    status, out, _ = run("show", "compute", "new")
    assert status == 0
    facts = dict(re.split(r":\s+", line, maxsplit=1) for line in out.splitlines())
    assert facts["member"] == "compute/new"
    assert facts["up"].startswith("no ")
    assert facts["metadata cpu"] == "epyc"
    assert json.loads(run("show", "compute", "new", "--json")[1])["state"] == "unknown"
    assert run("show", "compute", "nobody") == (
        1,
        "",
        "musterd: no member 'nobody' in 'compute', which has 1007 members\n",
    )


def test_query_is_yes_only_when_all_are_up(run: Run) -> None:
    assert run("query", "compute", "h0001", "h0002")[0] == 0
    status, out, _ = run("query", "compute", "h0001", "dead", "nobody", "dead")
    assert status == 1
    assert out.splitlines() == [
        "MEMBER    VERDICT",
        "h0001     up",
        "dead      down",
        "nobody    not found",
    ]
    assert run("query", "compute", "nobody")[0] == 1
    assert run("query", "storage", "s1")[0] == 0
    status, out, _ = run("query", "compute", "h0001", "nobody", "--json")
    assert status == 1
    assert json.loads(out)["not_found"] == ["nobody"]


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (None, "not found"),
        (Verdict(True, True, False, State.UP), "up"),
        (Verdict(True, False, False, State.SUSPECT), "suspect, not schedulable"),
        (Verdict(False, False, True, State.UP), "forced down, though its beats say up"),
        (Verdict(False, False, True, State.LEFT), "left"),
    ],
)
def test_verdicts_in_words(verdict: Verdict | None, text: str) -> None:
    assert query.verdict_text(verdict, render.plain) == text


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


def test_history(run: Run) -> None:
    status, out, _ = run("history", "compute", "dead")
    assert status == 0
    assert "unknown -> down" in out
    assert "silent" in out
    assert json.loads(run("history", "compute", "dead", "--json")[1])["changes"][0]["new"] == "down"


def test_status(run: Run, coordinator: Coordinator) -> None:
    desk = coordinator.desk
    desk.shards.append(shard_status("mc2:11211", listening=False, reason="connection refused"))
    desk.storms.append(StormStatus("compute", "r1", 40, 50, datetime.now(UTC), 90.0))
    status, out, _ = run("status")
    assert status == 0
    assert "1008 in 2 groups" in out
    assert "memcached://mc1:11211" in out
    assert re.search(r"mc2:11211 +no .* connection refused", out)
    assert re.search(r"compute +r1 +40 of 50", out)
    assert len(json.loads(run("status", "--json")[1])["shards"]) == 2


def test_a_status_that_is_not_well_is_a_no(run: Run, coordinator: Coordinator) -> None:
    coordinator.do(coordinator.desk.listen, False, 12.0)
    assert run("status")[0] == run("status", "--json")[0] == 1
    coordinator.do(coordinator.desk.listen, True, 0.1)
    assert run("status")[0] == 0
    coordinator.desk.ready = False
    status, out, _ = run("status")
    assert (status, "not yet" in out) == (1, True)


def test_not_ready_is_not_not_found(run: Run, coordinator: Coordinator) -> None:
    coordinator.desk.ready = False
    for argv in (("members", "nosuch"), ("show", "compute", "nobody"), ("query", "nosuch", "a")):
        status, out, err = run(*argv)
        assert (status, out, err.count("\n")) == (3, "", 1)
        assert "no group" not in err


def test_show_says_that_it_is_stale(run: Run, coordinator: Coordinator) -> None:
    coordinator.do(coordinator.desk.listen, False, 12.0)
    assert "has not heard its whole store for 12 s" in run("show", "storage", "s1")[2]


def test_forced_down_is_down_in_every_table(run: Run) -> None:
    run("force-down", "compute", "h0001", "--reason", "no power")
    line = next(x for x in run("members", "compute")[1].splitlines() if x.startswith("h0001"))
    assert "down (forced)" in line
    assert line.endswith("forced down: no power")
    for argv in (("--state", "down"), ("--mark", "forced_down"), ("--down",)):
        names = column(run("members", "compute", *argv)[1])
        assert "h0001" in names
        assert "h0002" not in names
    out = run("show", "compute", "h0001")[1]
    assert re.search(r"state: +down \(forced\) for", out)
    assert re.search(r"its beats say: +up", out)
    assert "1 forced down" in run("groups")[1]
    assert "1 forced down" in run("status")[1]
    assert run("query", "compute", "h0001")[1].splitlines()[1].split() == ["h0001", "down"]


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


HOSTILE = "x\x1b[2J\nmember:  compute/forged \u202e"


def test_nothing_that_a_host_says_moves_a_cursor_or_forges_a_line(
    run: Run, coordinator: Coordinator
) -> None:
    hostile = Member("storage", "s2", zone=HOSTILE, owner=HOSTILE, metadata={"note": HOSTILE})
    coordinator.do(coordinator.desk.put, hostile, state=State.DOWN, reason=HOSTILE)
    argvs = (
        *(("members", "storage"), ("show", "storage", "s2"), ("history", "storage", "s2")),
        *(("groups",), ("query", "storage", "s2"), ("disable", "storage", "s2"), ("status",)),
    )
    for argv in argvs:
        _, out, err = run(*argv)
        assert (out + err).replace("\n", "").isprintable()
        assert not [line for line in out.splitlines() if line.startswith("member:  compute/forged")]
    assert json.loads(run("show", "storage", "s2", "--json")[1])["zone"] == HOSTILE


@given(st.text(), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_whatever_is_said_is_readable(text: str, metadata: dict[str, str]) -> None:
    shown = ask.readable(Member(text, text, text, text, metadata))
    assert "".join([shown.zone, *shown.metadata, *shown.metadata.values()]).isprintable()
    assert ask.readable(shown) == shown


def test_tables_fit_a_terminal_and_break_no_name() -> None:
    rows = [("a" * 30, render.coloured("down", "red"), "because " * 12), ("b", "up", "")]
    headers = ("MEMBER", "STATE", "WHY")
    wide = render.table(headers, rows)
    assert max(map(len, wide.splitlines())) > 100
    lines = render.table(headers, rows, width=80).splitlines()
    assert max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in lines) <= 80
    assert any(line.startswith("a" * 30) for line in lines)
    assert " ".join(lines).count("because") == 12


def test_stale_answers_are_marked_on_standard_error(run: Run, coordinator: Coordinator) -> None:
    coordinator.do(coordinator.desk.listen, False, 12.0)
    for argv in (("groups",), ("members", "storage"), ("query", "storage", "s1")):
        _, _, err = run(*argv)
        assert "has not heard its whole store for 12 s" in err
    coordinator.do(coordinator.desk.listen, False, None)
    assert "ever since it started" in run("groups", "--json")[2]


def test_a_coordinator_out_of_reach_is_status_3(run: Run) -> None:
    status, out, err = run("groups", "--coordinator", NOBODY)
    assert (status, out) == (3, "")
    assert NOBODY in err
    assert err.count("\n") == 1


def test_a_stranger_on_the_port_is_no_traceback(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with start_blocking_portal() as portal:
            portal.start_task_soon(_answer_nonsense, server)
            status, _, err = run("status", "--coordinator", f"http://127.0.0.1:{port}")
    assert status == 3
    assert err.count("\n") == 1


async def _answer_nonsense(server: socket.socket) -> None:
    connection, _ = await anyio.to_thread.run_sync(server.accept)
    server.close()
    connection.sendall(b"220 mail.example ESMTP\r\n")
    connection.close()


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        return True


def test_no_colour_in_a_pipe_and_colour_on_a_terminal() -> None:
    assert render.paint() is render.plain
    for unwelcome in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert render.paint(Terminal(), unwelcome) is render.plain
    paint = render.paint(Terminal(), {})
    assert paint is render.coloured
    painted = render.state_text(State.DOWN, paint)
    assert painted == "\x1b[31mdown\x1b[0m"
    rows = [("a", painted), ("b", render.state_text(State.UP, paint))]
    bare = [("a", "down"), ("b", "up")]
    text = render.table(("NAME", "STATE"), rows)
    assert re.sub(r"\x1b\[\d+m", "", text) == render.table(("NAME", "STATE"), bare)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (-3, "0 s"),
        (4.4, "4 s"),
        (89, "89 s"),
        (90, "2 min"),
        (3600, "60 min"),
        (7200, "2 h"),
        (86400, "24 h"),
        (129600, "2 d"),
    ],
)
def test_ages_as_people_say_them(seconds: float | None, text: str) -> None:
    assert render.age(seconds) == text
