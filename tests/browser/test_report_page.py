"""The page of a report in a real Chromium: light and dark, under a policy that allows nothing else."""

from pathlib import Path

import pytest

from musterd import cli
from musterd.testing.browser import Browser
from tests.unit.taped import Silent, Tale, Tape

SEEN = """
const bars = [...document.querySelectorAll("svg rect.bar")];
const style = (css, what) => getComputedStyle(document.querySelector(css))[what];
return {
  bars: bars.length, seen: bars.filter((bar) => bar.getBoundingClientRect().width >= 1).length,
  lane: style("rect.lane", "fill"), page: style("body", "backgroundColor"),
  wide: document.documentElement.scrollWidth > innerWidth, marks: document.querySelectorAll(".death").length,
};
"""

WOULD = """
document.body.insertAdjacentHTML("beforeend", "<style>body {color: red}</style><img src='http://127.0.0.1:9/'>");
document.body.append(Object.assign(document.createElement("script"), {text: "globalThis.struck = 1"}));
return [globalThis.struck ?? null, getComputedStyle(document.body).color];
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page of a quarter of an hour in which all went wrong that may."""
    tale = Tale(
        silences=[Silent(1, 100.0, 175.0), Silent(2, 200.0)],
        outages=[(450.0, 540.0)],
        seconds=900.0,
    )
    Tape(tale).write(tmp_path / "trace")
    file = tmp_path / "page.html"
    assert cli.main(["report", str(tmp_path / "trace"), "--html", str(file)]) == 0
    return file


@pytest.mark.parametrize(
    ("theme", "lane"), [("light", "rgb(237, 240, 244)"), ("dark", "rgb(37, 44, 53)")]
)
def test_a_report_is_drawn_in_light_and_in_dark(
    theme: str, lane: str, browser: Browser, page: Path
) -> None:
    browser.prefer(theme)
    browser.open(page.as_uri())
    seen = browser.run(SEEN)
    assert seen["bars"] == seen["seen"] >= 3
    assert seen["lane"] == lane
    assert seen["marks"] >= 2
    assert not seen["wide"]
    assert browser.console() == []


def test_what_gets_into_a_page_neither_runs_nor_loads_nor_shows(
    browser: Browser, page: Path
) -> None:
    browser.open(page.as_uri())
    before = browser.run("return getComputedStyle(document.body).color")
    assert browser.run(WOULD) == [None, before]
    assert len([line for line in browser.console() if "Content Security Policy" in line]) == 3
