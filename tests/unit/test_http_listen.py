"""The address of the API: had, or refused with the cure."""

import socket

import pytest

from musterd.errors import CannotListen, ConfigError
from musterd_coordinator.http.listen import bind, url_of


async def test_a_free_port_is_chosen_and_named() -> None:
    for listen, begin in (("127.0.0.1:0", "http://127.0.0.1:"), ("[::1]:0", "http://[::1]:")):
        [listener] = await bind(listen)
        with listener:
            url = url_of(listener)
        assert url.startswith(begin)
        assert not url.endswith(":0")


async def test_a_name_is_served_on_all_its_addresses_with_one_port() -> None:
    listeners = await bind("localhost:0")
    ports = {listener.getsockname()[1] for listener in listeners}
    for listener in listeners:
        listener.close()
    assert len(ports) == 1


@pytest.mark.parametrize("listen", ["8420", ":8420", "127.0.0.1", "127.0.0.1:x", "::1:8420", ""])
async def test_an_unclear_address_is_refused(listen: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT or"):
        await bind(listen)


async def test_a_port_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: another program listens there"):
            await bind(f"127.0.0.1:{port}")


async def test_an_address_of_another_host_is_refused() -> None:
    with pytest.raises(CannotListen, match="this host has no such address"):
        await bind("192.0.2.1:8420")


async def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(CannotListen, match=r"'no such host' is no name or address"):
        await bind("no such host:8420")
