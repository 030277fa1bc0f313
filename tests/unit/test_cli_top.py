"""musterd top, on terminals that tests made, against the real HTTP API over a desk of known answers."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest

from musterd.cli import main
from musterd.cli.top import Top
from musterd.client import AsyncClient
from musterd.errors import AccessDenied, CoordinatorUnreachable
from musterd.model import Member, State
from musterd.testing.busy import in_time
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.notify_desk import incident

LEFT = b"\x1b[?25h\x1b[?1049l"
NOWHERE = "http://127.0.0.1:1"


def a_desk() -> DictDesk:
    desk = DictDesk()
    desk.put(Member("compute", "h1", zone="rack-1"), Member("compute", "h2", zone="rack-2"))
    desk.put(Member("storage", "s1"))
    return desk


class Pty:
    """A terminal of 80 columns, and what was written to it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        os.set_blocking(self.master, False)
        self.written = b""
        self.resize(80, 24)

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    @property
    def manners(self) -> list[object]:
        return list(termios.tcgetattr(self.slave))

    def read(self) -> bytes:
        try:
            while piece := os.read(self.master, 65536):
                self.written += piece
        except (BlockingIOError, OSError):
            pass
        return self.written

    async def shows(self, *words: bytes) -> None:
        """Wait until all of these were written since the last call."""
        await until(lambda: all(each in self.read() for each in words), within=20.0)
        self.written = b""


@pytest.fixture
def terminal() -> Iterator[Pty]:
    made = Pty()
    yield made
    os.close(made.master)
    os.close(made.slave)


@asynccontextmanager
async def drawing(terminal: Pty, urls: str, group: str | None = None) -> AsyncIterator[anyio.Event]:
    """A top on ``terminal``; gives what is set when it has ended."""
    ended = anyio.Event()

    async def draw() -> None:
        with (
            open(terminal.slave, "w", closefd=False) as out,  # noqa: ASYNC230
            open(terminal.slave, closefd=False) as keys,  # noqa: ASYNC230
        ):
            async with AsyncClient(urls) as client:
                await Top(urls, group, client).run(out, keys)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(draw)
        yield ended
        tasks.cancel_scope.cancel()


async def test_it_draws_what_happens_until_q_and_gives_the_terminal_back(terminal: Pty) -> None:
    desk, before = a_desk(), terminal.manners
    async with served(desk) as url, drawing(terminal, url) as ended:
        await terminal.shows(b"WELL", b"compute: 2 members", b"LAST CHANGES")
        assert terminal.manners != before
        desk.put(Member("compute", "h1", zone="rack-1"), state=State.DOWN, reason="silent")
        desk.attend(incident())
        await terminal.shows(b"ATTENTION", b"compute rack-1 [", b"1 down", b"(silent)")
        terminal.press(b"x")
        terminal.press(b"q")
        with in_time(20):
            await ended.wait()
    await terminal.shows(LEFT)
    assert terminal.manners == before


async def test_it_keeps_to_its_group_and_to_the_size_that_the_terminal_has(terminal: Pty) -> None:
    async with served(a_desk()) as url, drawing(terminal, url, "storage"):
        await terminal.shows(b"storage: 1 member", b"storage [")
        assert b"compute" not in terminal.read()
        terminal.resize(12, 4)
        os.kill(os.getpid(), signal.SIGWINCH)
        await terminal.shows(b"\r\nstorage: 1 ~")


async def test_it_says_that_nobody_answers_and_goes_on_when_somebody_does(terminal: Pty) -> None:
    desk = a_desk()
    async with drawing(terminal, NOWHERE):
        await terminal.shows(b"NO ANSWER", b"connection refused")
    async with served(desk) as url, drawing(terminal, f"{NOWHERE},{url}"):
        await terminal.shows(b"WELL")
        desk.listen(False, 3.0)
        await terminal.shows(b"NOT LISTENING")
        os.kill(os.getpid(), signal.SIGCONT)  # after ^Z: somebody else drew meanwhile
        await terminal.shows(b"\x1b[?1049h", b"NOT LISTENING")


async def test_a_signal_to_end_gives_the_terminal_back(terminal: Pty) -> None:
    before = terminal.manners
    async with served(a_desk()) as url, drawing(terminal, url) as ended:
        await terminal.shows(b"WELL")
        os.kill(os.getpid(), signal.SIGTERM)
        with in_time(20):
            await ended.wait()
    await terminal.shows(LEFT)
    assert terminal.manners == before


async def test_once_is_a_frame_without_controls(capsys: pytest.CaptureFixture[str]) -> None:
    async with served(a_desk()) as url, AsyncClient(url) as client:
        await Top(url, None, client).once()
    head, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("WELL  nothing needs attention  http://")
    assert "ZONES (3), the worst first" in rest
    assert not any("\x1b" in line for line in rest)
    assert rest[-1]


async def test_a_token_that_is_none_ends_it() -> None:
    async with AsyncClient(NOWHERE) as client:
        top = Top(NOWHERE, None, client)
        with pytest.raises(AccessDenied):
            top.on_disconnect(top._follower.addresses[0], AccessDenied("no token"))
        top.on_disconnect(top._follower.addresses[0], CoordinatorUnreachable("refused"))
        assert top.scene().problem == f"{NOWHERE}: refused"


def test_without_a_terminal_it_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top"]) == 2
    assert "this is none: --once prints a frame" in capsys.readouterr().err


@contextmanager
def a_process(terminal: Pty, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command itself, in charge of ``terminal``; killed if it has not ended by the end."""
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    take = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
    program = f"{heed}; {take}; import sys; from musterd.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "top", "--coordinator", url]
    own = terminal.slave
    with subprocess.Popen(
        command, stdin=own, stdout=own, stderr=own, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_an_interrupt_at_the_keyboard_gives_the_terminal_back(terminal: Pty) -> None:
    before = terminal.manners
    async with served(a_desk()) as url:
        with a_process(terminal, url) as process:
            await terminal.shows(b"WELL", b"compute: 2 members")
            terminal.press(b"\x03")
            await until(lambda: process.poll() is not None, within=20.0)
            assert process.returncode == 130
    await terminal.shows(LEFT)
    assert terminal.manners == before
