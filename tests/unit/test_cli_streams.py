"""What the command makes of a standard output that is odd."""

import json
import subprocess
import sys
from shlex import quote

import pytest

MUSTERD = f"{quote(sys.executable)} -m musterd"
PRINT = (
    "from musterd.cli import ask, streams; from musterd.model import Member; streams.make_usable();"
    "ask.print_json(Member('g', 'ä\\U0001f600')); print('Zürich')"
)


def bash(command: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["bash", "-c", command], check=False, capture_output=True)


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&-"])
def test_closed_streams_are_no_error(closed: str) -> None:
    done = bash(f"{MUSTERD} init-db --print {closed}; echo $? > /dev/stdout")
    assert (done.stdout, done.stderr) == (b"0\n", b"")


def test_a_full_disk_is_one_line() -> None:
    done = bash(f"{MUSTERD} init-db --print > /dev/full")
    assert done.returncode == 2
    assert done.stderr == b"musterd: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_an_encoding_without_a_character_escapes_it(encoding: str) -> None:
    done = bash(f"PYTHONIOENCODING={encoding} {quote(sys.executable)} -c {quote(PRINT)}")
    assert done.stderr == b""
    *lines, text = done.stdout.decode(encoding).splitlines()
    assert json.loads("\n".join(lines))["name"] == "ä\U0001f600"
    assert text == ("Z\\xfcrich" if encoding == "ascii" else "Zürich")
