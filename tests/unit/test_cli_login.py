"""Commands and Python against an API that asks for a token: right ones do, wrong ones say why not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
import structlog
from anyio.from_thread import BlockingPortal, start_blocking_portal

from musterd import cli
from musterd.client import AsyncClient, Client, Replica
from musterd.errors import AccessDenied, Conflict, NotFound
from musterd.model import FactsChange, Member, State
from musterd.testing.busy import in_time
from musterd.tokens import Rank, TokenOrder
from tests.http_desk import DictDesk
from tests.http_serving import until
from tests.unit.cli_desk import serve
from tests.unit.token_shelf import Door

pytestmark = pytest.mark.usefixtures("no_configuration")

REFUSALS = {
    "none": "this takes a token with the role reader",
    "wrong": "with this secret is known here",
    "expired": "the token expired expired at",
    "revoked": "the token revoked was revoked",
    "other group": "is for storage alone",
}


class Locked:
    """An API that asks for tokens, and one of each kind."""

    def __init__(self, portal: BlockingPortal, folder: Path) -> None:
        self.door, self.desk = Door(), DictDesk()
        self.desk.put(Member("compute", "h1"), Member("storage", "s1"))
        self.desk.put(Member("compute", "dead"), state=State.DOWN)
        self._portal, self._folder = portal, folder
        self.tokens = portal.call(self._make)
        self.serving, self.url = portal.start_task(serve, self.desk, self.door.access)

    async def _make(self) -> dict[str, str | None]:
        create = self.door.access.create
        made: dict[str, str | None] = {"none": None}
        for rank in Rank:
            made[rank] = (await create(TokenOrder(rank, rank))).text
        made["wrong"] = f"{made['reader']}"[:-4] + "AAAA"
        made["other group"] = (await create(TokenOrder("s", Rank.READER, ("storage",)))).text
        made["expired"] = (await create(TokenOrder("expired", Rank.READER, days=1))).text
        self.door.go_on(2 * 86400)
        made["revoked"] = (await create(TokenOrder("revoked", Rank.READER))).text
        await self.door.access.revoke("revoked")
        return made

    def login(self, kind: str) -> list[str]:
        """What a command is given besides, to ask here by a token of this kind."""
        token, file = self.tokens[kind], self._folder / "token"
        file.write_text(f"{token}\n")
        file.chmod(0o600)
        named = [] if token is None else ["--token-file", str(file)]
        return ["--coordinator", self.url, *named]


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    # What the API logs would be among what commands print, here where both are one process.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with start_blocking_portal() as portal:
        locked = Locked(portal, tmp_path)
        yield locked
        locked.serving.cancel()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(locked: Locked, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give what runs a command by a token of some kind."""

    def _run(kind: str, *argv: str) -> tuple[int, str, str]:
        return cli.main([*argv, *locked.login(kind)]), *capsys.readouterr()

    return _run


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_command_without_a_good_token_says_why(run: Run, locked: Locked, kind: str) -> None:
    for argv in (("members", "compute"), ("watch", "compute")):
        status, out, err = run(kind, *argv)
        assert (status, out) == (2, ""), argv
        assert REFUSALS[kind] in err
        assert f"{locked.tokens[kind]}" not in err


@pytest.mark.parametrize("kind", REFUSALS)
def test_python_without_a_good_token_is_denied(locked: Locked, kind: str) -> None:
    with (
        Client(locked.url, token=locked.tokens[kind]) as client,
        pytest.raises(AccessDenied, match=REFUSALS[kind]),
    ):
        client.group("compute")

    async def async_too() -> str:
        async with AsyncClient(locked.url, token=locked.tokens[kind]) as client:
            with pytest.raises(AccessDenied, match=REFUSALS[kind]):
                await client.group("compute")
        async with Replica(locked.url, "compute", token=locked.tokens[kind]) as replica:
            await until(lambda: replica.problem not in (None, "not connected yet"), within=20.0)
            return str(replica.problem)

    assert REFUSALS[kind] in anyio.run(async_too)


def test_a_reader_asks_and_follows(run: Run, locked: Locked) -> None:
    status, out, _ = run("reader", "members", "compute")
    assert status == 0
    assert "h1" in out

    async def follow() -> bool:
        async with Replica(locked.url, "compute", token=locked.tokens["reader"]) as replica:
            with in_time(20):
                await replica.wait_ready()
            return replica.is_up("h1")

    assert anyio.run(follow)


def test_orders_take_an_operator_and_force_an_admin(run: Run, locked: Locked) -> None:
    status, out, err = run("reader", "disable", "compute", "h1", "dead")
    assert (status, out) == (2, "")
    assert "takes the role operator, and the token reader has the role reader" in err
    assert "not done for h1, dead" in err
    assert run("operator", "disable", "compute", "h1")[0] == 0
    assert run("operator", "forget", "compute", "dead")[0] == 0
    status, _, err = run("operator", "forget", "compute", "h1", "--force")
    assert status == 2
    assert "takes the role admin" in err
    assert run("admin", "forget", "compute", "h1", "--force")[0] == 0
    assert [origin.actor for origin in locked.desk.origins] == ["operator", "operator", "admin"]


def test_tokens_are_managed_over_http(run: Run, locked: Locked) -> None:
    create = ("token", "create", "--name", "ci", "--role", "operator", "--groups", "compute")
    status, out, err = run("operator", *create)
    assert (status, out) == (2, "")
    assert "takes the role admin" in err
    status, out, err = run("admin", *create)
    assert status == 0
    assert err == (
        f"musterd: token ci: operator of compute, in {locked.url}; it is shown this once\n"
    )
    with Client(locked.url, token=out.strip()) as client:
        client.change_facts("compute", "h1", FactsChange(disabled=True))
    names = {
        one["name"]: one for one in json.loads(run("admin", "token", "list", "--json")[1])["tokens"]
    }
    assert names["ci"]["created_by"] == "admin"
    assert run("admin", *create)[0] == 1
    assert run("admin", "token", "revoke", "ci")[0] == 0
    assert run("admin", "token", "revoke", "nobody")[0] == 1
    with Client(locked.url, token=out.strip()) as client, pytest.raises(AccessDenied):
        client.groups()


def test_tokens_are_managed_in_python(locked: Locked) -> None:
    with Client(locked.url, token=locked.tokens["admin"]) as client:
        made = client.create_token(TokenOrder("ci", Rank.READER))
        assert "ci" in [one.name for one in client.tokens().tokens]
        with pytest.raises(Conflict):
            client.create_token(TokenOrder("ci", Rank.READER))
        assert client.revoke_token("ci").revoked is not None
        with pytest.raises(NotFound):
            client.revoke_token("other")

    async def async_too() -> int:
        async with AsyncClient(locked.url, token=locked.tokens["admin"]) as client:
            await client.create_token(TokenOrder("ci2", Rank.READER))
            await client.revoke_token("ci2")
            return len((await client.tokens()).tokens)

    assert anyio.run(async_too) == len(locked.door.shelf.kept)
    assert made.text not in repr(locked.door.access.tokens())
