"""musterd watch, against the real HTTP API over a desk of known answers."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import IO

import anyio
import pytest

from musterd.cli.journal import Change
from musterd.cli.watch import EventPrinter
from musterd.model import FactsChange, Member, State
from musterd.testing.busy import in_time
from musterd_coordinator.http import make_app
from tests.http_desk import DictDesk
from tests.http_serving import served, served_app, until

in_thread = anyio.to_thread.run_sync
H1, H2, S1 = Member("compute", "h1"), Member("compute", "h2"), Member("storage", "s1")


def a_desk() -> DictDesk:
    desk = DictDesk(log_size=50)
    desk.put(H1, H2)
    desk.put(S1, state=State.SUSPECT, reason="mass silence")
    return desk


def a_place() -> str:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class Watching:
    """What a watch printed, and what it said on standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.printed: list[Change] = []
        self._capsys, self._said = capsys, ""

    @property
    def said(self) -> str:
        self._said += self._capsys.readouterr().err
        return self._said

    @property
    def lines(self) -> list[tuple[str, str | None, str | None, str]]:
        return [(one.member, one.old, one.new, one.reason) for one in self.printed]

    async def hears(self, words: str) -> None:
        await until(lambda: words in self.said, within=20.0)

    async def prints(self, lines: int) -> None:
        await until(lambda: len(self.printed) >= lines, within=20.0)

    @asynccontextmanager
    async def of(self, *urls: str, group: str | None = None) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(EventPrinter(urls, group, self.printed.append).run)
            yield
            tasks.cancel_scope.cancel()


@pytest.fixture
def watching(capsys: pytest.CaptureFixture[str]) -> Watching:
    return Watching(capsys)


async def test_every_kind_of_change_is_told_at_once_and_in_order(watching: Watching) -> None:
    desk = a_desk()
    async with served(desk) as url, watching.of(url):
        await watching.hears("watching 3 members\n")
        desk.put(H1, state=State.DOWN, reason="silent")
        desk.put(H1, reason="beats again")
        desk.put(Member("compute", "fresh"))
        await desk.change_facts("storage", "s1", FactsChange(disabled=True, reason="x"))
        await desk.forget("compute", "h2", force=True)
        await watching.prints(5)
        assert watching.lines == [
            ("h1", "up", "down", "silent"),
            ("h1", "down", "up", "beats again"),
            ("fresh", None, "up", "beats"),
            ("s1", "suspect", "suspect, disabled: x", ""),
            ("h2", "up", None, ""),
        ]


async def test_a_watch_keeps_to_its_group(watching: Watching) -> None:
    desk = a_desk()
    async with served(desk) as url, watching.of(url, group="storage"):
        await watching.hears("watching 1 member of storage\n")
        desk.put(H1, state=State.DOWN)
        desk.put(S1)
        await watching.prints(1)
        assert watching.lines == [("s1", "suspect", "up", "beats")]


async def test_a_group_may_come_and_go(watching: Watching) -> None:
    desk = a_desk()
    async with served(desk) as url, watching.of(url, group="later"):
        await watching.hears("no group 'later'; there are 2 groups; looking again until it comes")
        desk.put(Member("later", "l1"))
        await watching.prints(1)
        await desk.forget("later", "l1", force=True)
        await watching.prints(2)
        assert watching.lines == [("l1", None, "up", ""), ("l1", "up", None, "")]
        assert watching.said.count("no group") == 1


async def test_what_happened_while_the_way_was_cut_is_told_in_full(watching: Watching) -> None:
    desk, place = a_desk(), a_place()
    app = make_app(desk)
    async with watching.of(f"http://{place}", group="compute"):
        await watching.hears("connection refused; looking again until it answers\n")
        async with served_app(app, place):
            await watching.hears("watching 2 members of compute\n")
        await watching.hears("it ended the stream; looking again")
        desk.put(H1, state=State.DOWN, reason="silent")
        desk.put(H1, reason="beats again")
        async with served_app(app, place):
            await watching.prints(2)
        assert watching.lines == [
            ("h1", "up", "down", "silent"),
            ("h1", "down", "up", "beats again"),
        ]
        assert f"http://{place} answers again\n" in watching.said


async def test_another_run_tells_what_is_different(watching: Watching) -> None:
    place = a_place()
    async with watching.of(f"http://{place}", group="compute"):
        async with served(a_desk(), place):
            await watching.hears("watching 2 members of compute\n")
        again = DictDesk()
        again.put(H1, state=State.DOWN)
        async with served(again, place):
            await watching.prints(2)
    assert watching.lines == [("h1", "up", "down", ""), ("h2", "up", None, "")]


async def test_another_coordinator_is_followed_with_a_word(watching: Watching) -> None:
    other = a_desk()
    other.put(H1, state=State.DOWN)
    async with served(other) as second:
        async with served(a_desk()) as first, watching.of(first, second, group="compute"):
            await watching.hears(f"watching 2 members of compute at {first}\n")
        assert watching.printed == []
    async with served(other) as second, watching.of(f"http://{a_place()}", second):
        await watching.hears("connection refused; trying the others\n")
        await watching.hears(f"watching 3 members at {second}\n")


async def test_a_coordinator_that_hears_takes_over(watching: Watching) -> None:
    deaf, other = a_desk(), a_desk()
    other.put(H1, state=State.DOWN)
    async with served(other) as second, served(deaf) as first, watching.of(first, second):
        await watching.hears(f"watching 3 members at {first}\n")
        deaf.listen(False, 5.0)
        await watching.hears("the coordinator does not hear its store\n")
        await watching.hears(f"it does not hear its store, and {second} does; trying the others\n")
        await watching.hears(
            f"{second} is followed now\nmusterd: the coordinator hears its store\n"
        )
        await watching.prints(1)
        assert watching.lines == [("h1", "up", "down", "")]


# Whoever runs these tests in the background has a shell that told them to ignore ^C.
HEEDING_INTERRUPTS = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from musterd.cli import main
sys.exit(main())
"""


@contextmanager
def a_process(url: str, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """The command itself; killed if it has not ended by the end."""
    command = [sys.executable, "-c", HEEDING_INTERRUPTS, "watch", "--coordinator", url, *argv]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


async def line_of(stream: IO[str] | None) -> str:
    assert stream is not None
    with in_time(60.0):
        return await in_thread(stream.readline, abandon_on_cancel=True)


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The status, and what was said since on standard error."""
    assert process.stderr is not None
    status = await in_thread(process.wait, 60.0)
    return status, process.stderr.read()


async def test_the_command_prints_lines_until_it_is_interrupted() -> None:
    desk = a_desk()
    async with served(desk) as url:
        with a_process(url, "storage", "--json", "--period", "1") as process:
            assert "watching 1 member of storage" in await line_of(process.stderr)
            desk.put(S1, reason="beats")
            change = json.loads(await line_of(process.stdout))
            process.send_signal(signal.SIGINT)
            assert await ended(process) == (130, "")
    assert list(change) == [
        "at",
        "group",
        "member",
        "old",
        "new",
        "reason",
        "actor",
        "zone",
        "cause",
    ]
    assert (change["member"], change["old"], change["new"]) == ("s1", "suspect", "up")
    assert (change["reason"], change["zone"], change["cause"]) == ("beats", "", "silent")


async def test_the_command_prints_text_and_ends_quietly_when_nobody_reads() -> None:
    desk = a_desk()
    async with served(desk) as url:
        with a_process(url, "storage") as process:
            await line_of(process.stderr)
            desk.put(S1, reason="beats\x1b[2J")
            line = await line_of(process.stdout)
            assert line.split("  ")[1:] == ["storage/s1", "suspect -> up", "(beats\\x1b[2J)\n"]
            assert process.stdout is not None
            process.stdout.close()
            desk.put(S1, state=State.DOWN)
            assert await ended(process) == (141, "")
