"""The API on a Unix socket, for tools of its host, and who its callers are proven to be."""

import getpass
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from musterd.client import AsyncClient, Client, Replica
from musterd.errors import CannotListen, ConfigError, CoordinatorUnreachable
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.testing.busy import in_time
from musterd.tls import server_tls
from musterd_coordinator.http import make_app, serve_http
from musterd_coordinator.http.connection import Connection
from musterd_coordinator.http.listen import bind, close
from tests.http_desk import DictDesk
from tests.http_serving import served, until

ME = getpass.getuser()


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Serve on asyncio's own loop and on a coordinator's."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def desk() -> DictDesk:
    """One member."""
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


class Noting(Connection):
    """A caller of whom it is noted who it is proven to be."""

    noted: list[dict[str, Any]]

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.noted.append(dict(self.scope["state"]))


@pytest.fixture
def noting() -> type[Noting]:
    """Note callers of this test only."""
    return type("NotingHere", (Noting,), {"noted": []})


async def test_every_kind_of_client_asks_by_a_socket(desk: DictDesk, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with served(desk, f"unix:{path}") as url:
        assert url == f"http+unix://{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        for one in (url, f"unix:{path}", f"unix://{path}"):
            async with AsyncClient(one) as client:
                assert len((await client.groups()).groups) == 1
            with Client(one) as plain:
                ask = partial(anyio.to_thread.run_sync, plain.groups)
                assert len((await ask()).groups) == 1
        async with Replica(url, "compute") as replica:
            with in_time(10):
                await replica.wait_ready()
            assert replica.up() == ["h1"]
    assert not path.exists()


async def test_the_command_line_asks_by_a_socket(desk: DictDesk, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    command = [sys.executable, "-m", "musterd", "members", "compute", "--coordinator"]
    run = partial(subprocess.run, [*command, f"unix:{path}"], capture_output=True, text=True)
    async with served(desk, f"unix:{path}"):
        done = await anyio.to_thread.run_sync(partial(run, check=True))
    assert "h1" in done.stdout
    refused = await anyio.to_thread.run_sync(partial(run, check=False))
    assert f"no answer from unix:{path} (no such file or directory)" in refused.stderr


async def test_the_kernel_says_who_calls(
    desk: DictDesk, tmp_path: Path, noting: type[Noting]
) -> None:
    listen = f"unix:{tmp_path}/api.sock"
    async with served(desk, listen, connection=noting) as url, AsyncClient(url) as client:
        await client.groups()
    assert noting.noted == [{"local_user": ME}]


async def test_a_certificate_says_who_calls(
    desk: DictDesk, authority: Authority, noting: type[Noting]
) -> None:
    api, me = authority.issue("api"), authority.issue("scheduler")
    tls = server_tls(
        Settings(tls_cert_file=api.cert, tls_key_file=api.key, tls_client_ca_file=authority.file)
    )
    async with served(desk, connection=noting, tls=tls) as url:
        files = {"ca_file": authority.file, "cert_file": me.cert, "key_file": me.key}
        async with AsyncClient(url, 10.0, **files) as client:
            await client.groups()
    assert noting.noted == [{"client_cn": "scheduler"}]


async def test_without_either_nobody_is_anybody(desk: DictDesk, noting: type[Noting]) -> None:
    async with served(desk, connection=noting) as url, AsyncClient(url) as client:
        await client.groups()
    assert noting.noted == [{}]


async def test_an_address_and_a_socket_are_served_together(
    desk: DictDesk, authority: Authority, tmp_path: Path
) -> None:
    made = authority.issue("api")
    tls = server_tls(Settings(tls_cert_file=made.cert, tls_key_file=made.key))
    listen = f"127.0.0.1:0, unix:{tmp_path}/api.sock"
    for each in (None, tls):
        serve = partial(serve_http, make_app(desk), listen, tls=each)
        async with anyio.create_task_group() as tasks:
            urls = await tasks.start(serve)
            assert len(urls) == 2
            for url in urls:
                async with AsyncClient(url, 10.0, ca_file=authority.file) as client:
                    assert len((await client.groups()).groups) == 1
            tasks.cancel_scope.cancel()


async def test_a_socket_that_a_run_left_behind_makes_room(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert path.is_socket()
    before = path.stat().st_ino
    close(await bind(f"unix:{path}"))
    assert before
    assert not path.exists()


async def test_one_that_is_in_use_is_waited_for(desk: DictDesk, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with served(desk, f"unix:{path}") as url:
        with pytest.raises(CannotListen, match="another program listens there"):
            await bind(f"127.0.0.1:0,unix:{path}")
        async with AsyncClient(url) as client:
            assert len((await client.groups()).groups) == 1


async def test_what_is_no_socket_stays(tmp_path: Path) -> None:
    path = tmp_path / "important"
    path.write_text("of somebody else")
    with pytest.raises(ConfigError, match="there is something else of that name"):
        await bind(f"unix:{path}")
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ConfigError, match="there is something else of that name"):
        await bind(f"unix:{link}")
    assert path.read_text() == "of somebody else"
    with pytest.raises(ConfigError, match="No such file or directory"):
        await bind(f"unix:{tmp_path}/missing/api.sock")


@pytest.mark.parametrize("listen", ["unix:api.sock", "unix:", "unix:/", f"unix:/{'x' * 107}"])
async def test_an_unclear_path_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="or unix:/PATH"):
        await bind(listen)


async def test_nobody_there_is_said(tmp_path: Path) -> None:
    url, words = f"unix:{tmp_path}/api.sock", r"api\.sock \(no such file or directory\)"
    with Client(url) as plain, pytest.raises(CoordinatorUnreachable, match=words):
        await anyio.to_thread.run_sync(plain.groups)
    async with AsyncClient(url) as client:
        with pytest.raises(CoordinatorUnreachable, match=words):
            await client.groups()


async def test_callers_leave_as_others_do(desk: DictDesk, tmp_path: Path) -> None:
    app = make_app(desk)
    async with anyio.create_task_group() as tasks:
        [_] = await tasks.start(partial(serve_http, app, f"unix:{tmp_path}/api.sock"))
        async with await anyio.connect_unix(f"{tmp_path}/api.sock") as client:
            await client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await client.receive()).startswith(b"HTTP/1.1 200 OK")
            assert len(app.door) == 1
        await until(lambda: not len(app.door))
        tasks.cancel_scope.cancel()
    assert not (tmp_path / "api.sock").is_socket()
