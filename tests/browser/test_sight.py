"""The page in a real Chromium: what is wrong, where, since when and what next."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from musterd.incidents import Incident, IncidentKind
from musterd.model import FactsChange, Member, State
from musterd.testing.browser import Browser
from tests.browser.sites import Api
from tests.http_desk import shard_status

TEXT = "document.querySelector(arguments[0])?.innerText.includes(arguments[1])"
SINCE = datetime(2026, 3, 1, tzinfo=UTC)
FLEET = [Member("compute", f"h{number:03d}", f"rack-{number // 50}") for number in range(200)]

POINT = """
const [zone, place] = arguments;
const block = map.blocks.find((one) => one.zone.zone === zone);
const box = map.canvas.getBoundingClientRect();
const where = {bubbles: true, clientX: box.left + block.x + (place % block.columns) * map.size + 1,
  clientY: box.top + block.top + Math.floor(place / block.columns) * map.size + 1};
map.canvas.dispatchEvent(new PointerEvent("pointermove", where));
map.canvas.dispatchEvent(new MouseEvent("click", where));
"""

PIXEL = """
const [zone, place] = arguments;
const block = map.blocks.find((one) => one.zone.zone === zone);
const x = block.x + (place % block.columns + 0.2) * map.size;
const y = block.top + (Math.floor(place / block.columns) + 0.5) * map.size;
return paint.getImageData(x * map.scale, y * map.scale, 1, 1).data.slice(0, 3).join();
"""

SIGHT = """
return [document.querySelector(arguments[0])].map((one) => {
  const box = one.getBoundingClientRect();
  return box.top >= 0 && box.left >= 0 && box.right <= innerWidth + 1 && box.top < innerHeight;
})[0];
"""


def incident(
    number: int,
    kind: IncidentKind,
    what: str,
    zone: str | None = None,
    parts: Sequence[Incident] = (),
) -> Incident:
    return Incident(
        id=f"{number:016x}",
        kind=kind,
        group="compute",
        zone=zone,
        scope="",
        count=50,
        suspect=50,
        zones=1,
        members=["compute/h000"],
        since=SINCE,
        newest=None,
        until=None,
        what=what,
        next="Look at its switch.",
        command="musterd incidents --all",
        parts=parts,
    )


def is_told(browser: Browser, css: str, text: str) -> None:
    browser.until(TEXT, css, text)


@pytest.fixture
def fleet(api: Api) -> Api:
    api.change(api.desk.put, *FLEET)
    return api


def test_an_incident_says_where_since_when_and_what_next(browser: Browser, fleet: Api) -> None:
    silent = FLEET[100:150]
    fleet.change(fleet.desk.put, *silent, state=State.SUSPECT, reason="held")
    fleet.change(
        fleet.desk.attend, incident(1, IncidentKind.MASS_SILENCE, "50 of 50 are silent", "rack-2")
    )
    browser.open(f"{fleet.url}/")
    is_told(browser, "#verdict", "50 suspect in 1 zone")
    for said in ("50 of 50 are silent", "rack-2", "Look at its switch.", "musterd incidents --all"):
        is_told(browser, "#incidents", said)
    browser.until("document.querySelector('#incidents time')?.dateTime.startsWith('2026-03-01')")
    assert browser.run("return document.title.startsWith('▲ 50 suspect')")
    assert browser.run("return document.querySelector('link[rel=icon]').href.includes('c02b2b')")
    browser.press("j")
    browser.press("\ue007")  # Enter
    browser.until("location.hash.includes('zone=rack-2')")
    is_told(browser, "#members", "h149")
    assert browser.console() == []


def test_many_of_a_kind_are_a_line_that_opens(browser: Browser, fleet: Api) -> None:
    parts = [incident(n, IncidentKind.DEATHS, f"part {n}", f"rack-{n}") for n in range(20)]
    whole = incident(99, IncidentKind.DEATHS, "20 zones have deaths", parts=parts)
    others = [incident(n, IncidentKind.CONFLICT, f"other {n}") for n in range(100, 115)]
    fleet.change(fleet.desk.attend, whole, *others)
    browser.open(f"{fleet.url}/")
    is_told(browser, "#incidents", "20 zones have deaths")
    lines = "return document.querySelectorAll('#incidents li').length"
    assert browser.run(lines) == 9
    browser.click("#incidents [data-open]")
    assert browser.run(lines) == 29
    browser.click("#all-incidents")
    assert browser.run(lines) == 36


def test_whoever_is_pointed_at_is_told_and_opened_in_sight(browser: Browser, fleet: Api) -> None:
    browser.open(f"{fleet.url}/")
    browser.until("map.blocks.length === 4")
    browser.run(POINT, "rack-1", 7)
    is_told(browser, "#tip", "h057")
    is_told(browser, "#drawer", "May I evacuate it?")
    assert browser.run(SIGHT, "#drawer")
    assert browser.run("return location.hash") == "#g=compute&m=h057"
    browser.press("\ue00c")  # Escape
    browser.until("document.querySelector('#drawer').hidden")


def test_a_change_is_painted_as_it_happens(browser: Browser, fleet: Api) -> None:
    browser.open(f"{fleet.url}/")
    browser.until("map.blocks.length === 4")
    calm = browser.run(PIXEL, "rack-0", 3)
    fleet.change(fleet.desk.put, FLEET[3], state=State.DOWN, reason="silent")
    is_told(browser, "#legend", "1 down")
    assert browser.run(PIXEL, "rack-0", 3) != calm
    assert browser.run(PIXEL, "rack-0", 4) == calm
    fleet.change(fleet.desk.put, Member("compute", "h003x", "rack-0"))  # another layout
    is_told(browser, "#map-title", "201 members")
    assert browser.run(PIXEL, "rack-0", 4) == calm


def test_an_operators_own_order_is_counted_and_leads_to_its_members(
    browser: Browser, fleet: Api
) -> None:
    order = FactsChange(forced_down=True, reason="burnt")
    fleet.change(fleet.desk.change_facts, "compute", "h009", order)
    browser.open(f"{fleet.url}/")
    is_told(browser, "#verdict", "1 down")
    browser.click("#groups .badge")
    is_told(browser, "#members", "h009")
    assert not browser.run(f"return {TEXT}", "#members", "h010")


def test_a_shard_without_a_twin_is_amber_and_what_is_slow_is_marked(
    browser: Browser, fleet: Api
) -> None:
    away = shard_status("mc2:11211", listening=False, reason="refused")
    fleet.desk.shards += [away]
    fleet.desk.redundancy_lost = ["mc2:11211"]
    browser.open(f"{fleet.url}/")
    is_told(browser, "#verdict", "1 shard without a twin")
    assert browser.run("return document.querySelector('#verdict').className") == "warn"
    is_told(browser, "#shards", "Its members are heard on other shards")
    slow = "shardRow({...page.status.shards[0], sweep_seconds: 4.5}, page.status).innerText"
    assert "4500.0 ms ▲" in browser.run(f"return {slow}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_a_phone(browser: Browser, fleet: Api, theme: str) -> None:
    fleet.change(fleet.desk.attend, incident(1, IncidentKind.DEATHS, "x" * 90, "rack-2"))
    browser.prefer(theme)
    with browser.sized(380, 800):
        browser.open(f"{fleet.url}/#g=compute&m=h001")
        is_told(browser, "#drawer", "May I talk to it?")
        assert browser.run(SIGHT, "#drawer")
        browser.click("#close")
        is_told(browser, "#members", "h001")
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
