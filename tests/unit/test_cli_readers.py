"""The commands that ask, against the real HTTP API over a desk of known answers."""

import json
import re
import socket
from datetime import UTC, datetime

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from msgspec.structs import replace

from musterd.cli import status as status_command
from musterd.model import Member, State
from musterd.status import PeerStatus, StormStatus
from tests.http_desk import shard_status
from tests.unit.cli_desk import NOBODY, Coordinator, Run


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
    assert out.splitlines()[0].split() == [
        "MEMBER",
        "STATE",
        "FOR",
        "ZONE",
        "OWNER",
        "NOTES",
        "WHY",
    ]
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
    assert "forced down: no power" in line
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


def plain(text: str, colour: str) -> str:
    return text


def test_a_status_says_all_that_is_amiss(coordinator: Coordinator) -> None:
    usual = coordinator.desk.status()
    amiss = replace(
        usual,
        peers=[PeerStatus("c2", 0.4, True, {State.UP: 3, State.DOWN: 0}, True)],
        shards=[replace(shard_status("mc1:11211"), challenges_put_back=2)],
        quarantined=1,
        not_seated=2,
        registry_ok=False,
        registry_reason="no answer within 2 s",
        facts_age=31.0,
        unsaved=5,
        signatures="require",
        with_old_key=1,
    )
    text = status_command.text(amiss, plain, datetime.now(UTC))
    for words in (
        "c2, 0.4 s ago: 3 up (counts differ)",
        "1 row that it could not keep or read",
        "; 2 newcomers found no room",
        "lost: no answer within 2 s; orders as of 31 s ago, 5 changes not written yet",
        "required; 1 member signed with the key before the current one",
        "the challenge was overwritten 2 times",
    ):
        assert words in text
    untold = replace(amiss, registry_reason="", facts_age=None, signatures="off")
    assert "lost: it does not answer, 5" in status_command.text(
        untold, lambda text, _: text, datetime.now(UTC)
    )
