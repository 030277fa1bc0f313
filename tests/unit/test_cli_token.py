"""`musterd token` on a registry by itself: before a coordinator was ever started on it."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from musterd import cli
from musterd.cli import render
from musterd.cli.token import asks_coordinator, note_on
from musterd.cli.token import text as listed
from musterd.orders import Origin
from musterd.settings.sources import load
from musterd.tokens import Rank, TokenFacts, TokenList, parts
from musterd_coordinator.service.token_office import token_office

pytestmark = pytest.mark.usefixtures("no_configuration")

Run = Callable[..., tuple[int, str, str]]
TOKEN = re.compile(r"mt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


@pytest.fixture
def token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Give `musterd token` on a registry of its own."""

    def run(verb: str, *argv: str) -> tuple[int, str, str]:
        registry = f"sqlite:///{tmp_path}/musterd.db"
        return cli.main(["token", verb, *argv, "--registry", registry]), *capsys.readouterr()

    return run


def test_a_token_is_printed_alone_and_once(token: Run, tmp_path: Path) -> None:
    status, out, err = token("create", "--name", "ci", "--role", "operator", "--groups", "a, b")
    assert status == 0
    assert TOKEN.fullmatch(out.strip())
    assert out.count("\n") == 1
    assert err == (
        f"musterd: token ci: operator of a, b, in sqlite:///{tmp_path}/musterd.db; it is shown this"
        " once\n"
    )
    status, out, _ = token("list")
    assert status == 0
    assert not TOKEN.search(out)
    assert out.splitlines()[1].split()[:2] == ["ci", "operator"]
    assert out.rstrip().endswith("good     a, b")


def test_json_has_all_that_is_known(token: Run) -> None:
    _, out, _ = token("create", "--name", "ci", "--role", "reader", "--days", "0.5", "--json")
    made = json.loads(out)
    assert TOKEN.fullmatch(made["text"])
    found = parts(made["text"])
    assert found is not None
    assert made["token"]["id"] == found.id
    assert json.loads(token("list", "--json")[1])["tokens"] == [made["token"]]
    assert json.loads(token("revoke", "ci", "--json")[1])["revoked"] > made["token"]["created"]


def test_a_revoked_token_stays_in_the_list_and_its_name_is_taken(
    token: Run, tmp_path: Path
) -> None:
    token("create", "--name", "ci", "--role", "reader")
    assert token("revoke", "ci")[:2] == (0, f"ci: revoked, in sqlite:///{tmp_path}/musterd.db\n")
    assert "revoked 20" in token("list")[1]
    status, out, err = token("create", "--name", "ci", "--role", "reader")
    assert (status, out) == (1, "")
    assert "a token ci already, or was: choose another name" in err
    status, _, err = token("revoke", "other")
    assert status == 1
    assert "no token other among 1" in err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--name", "a b", "--role", "reader"), "token name 'a b' is not usable"),
        (("--name", "a", "--role", "king"), "invalid choice: 'king'"),
        (("--name", "a", "--role", "reader", "--days", "0"), "--days: '0' is not usable"),
        (("--name", "a", "--role", "admin", "--groups", "g"), "leave out groups, or admin"),
        (("--name", "a"), "required: --role"),
        (("--name", "a", "--role", "reader", "--intervall", "1"), "'--intervall' means nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(token: Run, argv: tuple[str, ...], told: str) -> None:
    status, out, err = token("create", *argv)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_list_makes_no_registry(token: Run, tmp_path: Path) -> None:
    status, _, err = token("list")
    assert status == 2
    assert "there is no registry" in err
    assert not list(tmp_path.iterdir())


def test_a_token_for_a_name_is_told_from_one_by_mistake(token: Run) -> None:
    made = token("create", "--name", "ci", "--role", "reader")[1].strip()
    for argv in (("create", "--role", "reader", "--name", made), ("revoke", made)):
        status, out, err = token(*argv)
        assert (status > 0, out) == (True, "")
        assert made[12:] not in err


def test_while_a_coordinator_has_the_file_it_is_asked(token: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/musterd.db"

    async def held() -> tuple[int, str, str]:
        async with token_office(url, "musterd", 5.0, Origin("root")):
            return await anyio.to_thread.run_sync(
                lambda: token("create", "--name", "ci", "--role", "reader")
            )

    status, out, err = anyio.run(held)
    assert (status, out) == (3, "")
    assert (
        f"a coordinator has the registry {url} to itself, and has to do it: no answer from" in err
    )
    assert "name another one, with --coordinator" in err
    assert "locked" not in err


@pytest.mark.parametrize(
    ("by", "rank", "noted"),
    [
        ("anonymous", Rank.READER, True),
        ("anonymous", Rank.ADMIN, False),
        ("me", Rank.READER, False),
    ],
)
def test_a_first_token_that_makes_no_others_has_a_note(by: str, rank: Rank, *, noted: bool) -> None:
    made = TokenFacts(name="a", role=rank, id="0" * 8, created=render.now(), created_by=by)
    assert ("none of an admin was made" in note_on(made)) == noted


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        ({}, {}, False),
        ({"coordinator": "http://c:1"}, {"MUSTERD_REGISTRY": "sqlite:///x.db"}, True),
        ({}, {"MUSTERD_COORDINATOR": "http://c:1"}, True),
        ({}, {"MUSTERD_COORDINATOR": "http://c:1", "MUSTERD_REGISTRY": "sqlite:///x.db"}, False),
        ({"store": "postgresql://d/b"}, {"MUSTERD_COORDINATOR": "http://c:1"}, False),
    ],
)
def test_a_coordinator_is_asked_where_it_was_named(
    argv: dict[str, str], environ: dict[str, str], *, expected: bool
) -> None:
    assert asks_coordinator(load(argv, environ)) == expected


def test_a_list_says_until_when_each_is_good() -> None:
    now = render.now()
    days = {"ever": None, "soon": now + timedelta(days=1), "late": now - timedelta(days=1)}
    tokens = [
        TokenFacts(name=name, role=Rank.READER, id="0" * 8, created=now, expires=until)
        for name, until in days.items()
    ]
    lines = listed(TokenList(tokens), lambda text, colour: text).splitlines()[1:]
    for line, words in zip(lines, (" good ", " good until ", " expired "), strict=True):
        assert words in line
