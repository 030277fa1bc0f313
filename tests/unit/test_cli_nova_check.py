"""`musterd nova --check` asks what listens where Nova would ask."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musterd import cli
from musterd.testing.processes import HOST, held_port

pytestmark = pytest.mark.usefixtures("no_configuration")

MUSTERDS = (
    b"STAT origin follows http://c1:8420\r\nSTAT listening %d\r\nSTAT members 3\r\n"
    b"STAT writers 1\r\nEND\r\n"
)


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """A server that gives everybody this answer, once, and hangs up."""
    with socket.create_server((HOST, 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def checked(port: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    file = folder / "nova.conf"
    file.write_text(
        "[DEFAULT]\nservicegroup_driver = mc\n[cache]\nenabled = true\n"
        "backend = oslo_cache.memcache_pool\nmemcache_dead_retry = 0\n"
        f"memcache_servers = {HOST}:{port}\n"
    )
    listen = f"{HOST}:{port}"
    status = cli.main(
        ["nova", "--check", str(file), "--nova-listen", listen, "--coordinator", "http://c1:1"]
    )
    return status, capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (MUSTERDS % 1, 0, "answers for 3 members and 1 services that write themselves"),
        (MUSTERDS % 0, 0, "answers by its last view; follows http://c1:8420"),
        (b"END\r\n", 1, "is none of musterd's: another server listens there"),
        (b"ERROR\r\n", 1, "is none of musterd's"),
        (b"STAT ", 1, "is none of musterd's"),
    ],
)
def test_it_says_what_listens_there(
    answer: bytes, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(answer) as port:
        got, printed = checked(port, tmp_path, capsys)
    assert said in printed
    assert got == status, printed
    assert ("nothing in" in printed) == (status == 0)


def test_it_says_that_nothing_listens_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with held_port() as port:
        status, printed = checked(port, tmp_path, capsys)
    assert status == 1
    assert "does not answer (connection refused); start musterd nova" in printed
