"""Who orders over TLS with a certificate, and on a Unix socket, is known by name, and by no other."""

import getpass
from pathlib import Path

import pytest

from musterd.client import AsyncClient
from musterd.errors import AccessDenied
from musterd.model import FactsChange, Member
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.tls import server_tls
from musterd_coordinator.http import make_app
from tests.http_desk import DictDesk
from tests.http_serving import served_app
from tests.unit.token_shelf import Door

DISABLED = FactsChange(disabled=True)


@pytest.fixture
def desk() -> DictDesk:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


async def test_a_certificate_s_name_is_a_role_and_the_actor(
    desk: DictDesk, authority: Authority
) -> None:
    made = authority.issue("api")
    tls = server_tls(
        Settings(tls_cert_file=made.cert, tls_key_file=made.key, tls_client_ca_file=authority.file)
    )
    app = make_app(desk, certificates=True)
    async with served_app(app, "127.0.0.1:0", tls=tls) as url:
        for name in ("operator", "reader", "host-17"):
            mine = authority.issue(name)
            async with AsyncClient(
                url, ca_file=authority.file, cert_file=mine.cert, key_file=mine.key
            ) as client:
                if name == "operator":
                    await client.change_facts("compute", "h1", DISABLED)
                    continue
                with pytest.raises(AccessDenied, match=r"takes .*role operator"):
                    await client.change_facts("compute", "h1", DISABLED)
    assert [origin.actor for origin in desk.origins] == ["operator"]


async def test_on_a_socket_the_coordinator_s_own_user_is_an_admin(
    desk: DictDesk, tmp_path: Path
) -> None:
    door = Door()
    await door.make("ci")
    app = make_app(desk, door.access)
    path = f"unix:{tmp_path}/api.sock"
    async with served_app(app, path) as url, AsyncClient(url) as client:
        await client.change_facts("compute", "h1", DISABLED)
        assert [one.name for one in (await client.tokens()).tokens] == ["ci"]
    (origin,) = desk.origins
    assert (origin.actor, origin.address) == (getpass.getuser(), "")
