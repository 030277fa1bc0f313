"""The site has every page behind one of its doors, and its links lead to files that are there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "docs/site/zensical.toml").read_text())["project"]
IN_FRONT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
PAGES = [
    *IN_FRONT,
    *(
        str(page.relative_to(ROOT))
        for room in ("docs", "deploy")
        for page in ROOT.glob(f"{room}/**/*.md")
    ),
]


def files_behind(entry: Any) -> Iterator[str]:
    """The pages below an entry of the navigation, in its order."""
    if isinstance(entry, str):
        yield entry
    else:
        for each in entry if isinstance(entry, list) else entry.values():
            yield from files_behind(each)


def test_there_are_four_doors() -> None:
    assert [*map(" ".join, PROJECT["nav"])] == ["Start", "Run", "Understand", "Proof"]


def test_each_page_is_behind_one_door() -> None:
    behind = list(files_behind(PROJECT["nav"]))
    assert sorted(behind) == sorted(PAGES), "each page has one line in docs/site/zensical.toml"


def test_readers_fetch_nothing_from_elsewhere() -> None:
    assert PROJECT["theme"]["font"] is False
    shown = [*PROJECT["extra_css"], *PROJECT.get("extra_javascript", [])]
    assert all((ROOT / each).exists() for each in shown)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_are_there(page: str) -> None:
    """The build looks at links to pages alone."""
    where = (ROOT / page).parent
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        assert (where / target).exists(), target
