"""What there is to call has its line in the pages, and what the pages name is there."""

import re
from pathlib import Path

import pytest

from musterd import client, errors, stores
from musterd.cli.handbook import cli_page
from musterd.model import Member
from musterd_coordinator.http.app import make_app
from tests.api_page import api_page, described
from tests.http_calls import ask
from tests.http_desk import DictDesk

DOCS = Path(__file__).parents[2] / "docs"
HTTP = (DOCS / "http.md").read_text()
PYTHON = (DOCS / "python.md").read_text()


async def test_every_path_has_its_line() -> None:
    document = (await ask(make_app(DictDesk()), "/openapi.json")).json()
    served = {f"{m.upper()} {path}" for path, each in document["paths"].items() for m in each}
    named = set(re.findall(r"^\| `([A-Z]+ [^`]+)`", HTTP, re.MULTILINE))
    assert served <= named
    assert named <= served | {"GET /", "GET /openapi.json"}


async def test_every_metric_that_is_named_is_there() -> None:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    text = (await ask(make_app(desk), "/metrics")).body.decode()
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    table = HTTP.split("## Metrics")[1]
    whole = re.findall(r"`(musterd_\w+)", table)
    parts = [f"musterd_shard{part}" for part in re.findall(r"`(_\w+)`", table)]
    assert len(whole) > 10
    assert {*whole, *parts} <= families


@pytest.mark.parametrize("name", ["Client", "AsyncClient", "Replica"])
def test_every_method_of_a_client_has_its_word(name: str) -> None:
    methods = [each for each in vars(getattr(client, name)) if not each.startswith("_")]
    unnamed = {"close", "aclose", "version", "wait_ready"}
    assert [each for each in methods if each not in unnamed and each not in PYTHON] == []


def test_every_error_that_is_named_is_there() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PYTHON.split("## Follow")[0], re.MULTILINE)
    assert len(named) > 5
    assert all(issubclass(getattr(errors, each), errors.MusterdError) for each in named)


async def test_the_reference_of_the_api_is_current() -> None:
    written = (DOCS / "api.md").read_text()
    assert written == api_page(await described()), "run: python -m tests.api_page > docs/api.md"


def test_the_reference_of_commands_is_current() -> None:
    written = (DOCS / "cli.md").read_text()
    assert written == cli_page(), "run: python -m musterd.cli.handbook > docs/cli.md"


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


ROOMS = {
    "M": DOCS.parent / "common/musterd",
    "A": DOCS.parent / "agent/musterd_agent",
    "C": DOCS.parent / "coordinator/musterd_coordinator",
}


@pytest.mark.parametrize("page", ["glossary.md", "tour.md"])
def test_files_that_pages_name_are_there(page: str) -> None:
    named = re.findall(r"`([MAC])/([\w/]+\.py)`", (DOCS / page).read_text())
    assert len(named) > 20
    assert [path for room, path in named if not (ROOMS[room] / path).exists()] == []


def test_the_folder_of_the_sql_that_is_run_by_hand_is_there() -> None:
    named = re.findall(r"stores\.__path__\)'\)/([\w/]+)", (DOCS / "operations.md").read_text())
    assert named
    assert all(list((Path(stores.__path__[0]) / folder).glob("0*.sql")) for folder in named)


def test_names_in_the_glossary_are_those_of_the_code() -> None:
    code = "".join(file.read_text() for room in ROOMS.values() for file in room.rglob("*.py"))
    table = (DOCS / "glossary.md").read_text().split("## Names of the code")[1]
    rows = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert len(names) > 40
    assert [
        n for n in names if not re.search(rf"^(class {n}\b|def {n}\b|{n} = )", code, re.MULTILINE)
    ] == []
