"""The page in a real Chromium: who is asked for a token, what is shown, and what when nobody answers."""

from collections.abc import Callable, Iterator

import pytest
from anyio.from_thread import BlockingPortal

from musterd.model import FactsChange, Member, State
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.testing.browser import Browser
from musterd.tls import server_tls
from musterd.tokens import Rank
from tests.browser.sites import Api

Ports = Callable[[], int]

IS_SHOWN = "document.querySelector(arguments[0])?.checkVisibility()"
TEXT = "document.querySelector(arguments[0])?.innerText.includes(arguments[1])"
STRANGE = "mt_0123abcd_" + "x" * 43
ONE = "#g=compute&m=h1"

KEPT = "return [document.cookie, localStorage.length, {...sessionStorage}, location.href]"

STRUCK = (
    "return [globalThis.struck ?? null, document.querySelectorAll('body img, main script').length]"
)

PRESSED = """
globalThis.link = document.querySelector("#groups a");
link.dispatchEvent(new PointerEvent("pointerdown", {bubbles: true}));
drawGroups();
return link.isConnected;
"""

FIRST_EVENT = """
const answer = await fetch("/v1/events", {headers: {authorization: `Bearer ${arguments[0]}`}});
const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
const {value} = await reader.read();
await reader.cancel();
return value;
"""


RELEASED = """
link.dispatchEvent(new PointerEvent("pointerup", {bubbles: true}));
drawGroups();
return link.isConnected;
"""


@pytest.fixture
def secured(portal: BlockingPortal, ports: Ports, authority: Authority) -> Iterator[Api]:
    """An API of two members by TLS."""
    made = authority.issue("api")
    tls = server_tls(Settings(tls_cert_file=made.cert, tls_key_file=made.key))
    with Api(portal, ports(), tls) as api:
        api.change(api.desk.put, Member("compute", "h1"), Member("compute", "h2"))
        yield api


def is_told(browser: Browser, css: str, text: str) -> None:
    browser.until(TEXT, css, text)


def assert_only_refused(browser: Browser) -> None:
    """The console knows of answers 401, which browsers call errors, and of nothing else."""
    said = browser.console()
    assert said
    assert [line for line in said if "status of 401" not in line] == []


def enter(browser: Browser, token: str) -> None:
    browser.type("#token", token)
    browser.click("#login button")


def test_on_a_laptop_nobody_is_asked_for_a_token(browser: Browser, api: Api) -> None:
    api.change(api.desk.put, Member("compute", "h1"))
    browser.open(f"{api.url}/")
    is_told(browser, "#groups", "compute")
    is_told(browser, "#shards", "mc1:11211")
    is_told(browser, "#health", "listening")
    is_told(browser, "#verdict", "All 1 accounted for")
    is_told(browser, "#incidents", "Nothing.")
    assert not browser.run(f"return {IS_SHOWN}", "#login")
    assert not browser.run(f"return {IS_SHOWN}", "#leave")
    assert browser.run(PRESSED)  # what is drawn anew while the button is down gets no click
    assert not browser.run(RELEASED)
    browser.click("#groups a")
    is_told(browser, "#members", "h1")
    browser.click("#members a")
    is_told(browser, "#member", "May I talk to it?")
    assert browser.run(KEPT) == ["", 0, {}, f"{api.url}/{ONE}"]
    assert browser.console() == []


def test_a_token_is_asked_for_once_and_kept_in_the_tab_alone(
    browser: Browser, secured: Api
) -> None:
    token = secured.token("me")
    browser.open(f"{secured.url}/{ONE}")
    browser.until(IS_SHOWN, "#login")
    assert not browser.run(f"return {IS_SHOWN}", "main")
    enter(browser, "secret")
    is_told(browser, "#login-note", "That is no token")
    enter(browser, STRANGE)
    is_told(browser, "#login-note", "No token 0123abcd with this secret is known here.")
    enter(browser, token)
    is_told(browser, "#member", "May I talk to it?")
    assert not browser.run(f"return {IS_SHOWN}", "#login")
    assert browser.run(KEPT) == ["", 0, {"token": token}, f"{secured.url}/{ONE}"]
    assert browser.cookies() == []
    assert browser.run(FIRST_EVENT, token).startswith("event: snapshot\n")
    browser.reload()
    is_told(browser, "#member", "May I talk to it?")
    with browser.tab():
        browser.open(f"{secured.url}/")
        browser.until(IS_SHOWN, "#login")
        assert browser.run(KEPT)[:3] == ["", 0, {}]
    assert_only_refused(browser)


def test_a_token_that_is_forgotten_or_revoked_shows_nothing_more(
    browser: Browser, secured: Api
) -> None:
    token = secured.token("me")
    browser.open(f"{secured.url}/{ONE}")
    browser.until(IS_SHOWN, "#login")
    enter(browser, token)
    is_told(browser, "#drawer", "h1")
    browser.click("#leave")
    browser.until(IS_SHOWN, "#login")
    assert "h1" not in browser.run("return document.body.innerText")
    assert browser.run(KEPT)[2] == {}
    enter(browser, token)
    is_told(browser, "#drawer", "h1")
    secured.revoke("me")
    is_told(browser, "#login-note", "The token me was revoked.")
    assert "h1" not in browser.run("return document.body.innerText")
    assert_only_refused(browser)


def test_a_token_of_a_group_shows_that_alone(browser: Browser, secured: Api) -> None:
    secured.change(secured.desk.put, Member("storage", "s1"))
    token = secured.token("ci", Rank.READER, "compute")
    browser.open(f"{secured.url}/")
    browser.until(IS_SHOWN, "#login")
    enter(browser, token)
    is_told(browser, "#groups", "compute")
    is_told(browser, "#shards", "Your token is for some groups")
    assert "storage" not in browser.run("return document.body.innerText")


def test_what_nobody_answers_for_is_grey_until_somebody_does(browser: Browser, api: Api) -> None:
    api.change(api.desk.put, Member("compute", "h1"))
    browser.open(f"{api.url}/{ONE}")
    is_told(browser, "#drawer", "h1")
    api.__exit__()
    is_told(browser, "#banners", "The coordinator does not answer. What you see is")
    is_told(browser, "#verdict", "No answer")
    grey = "getComputedStyle(document.querySelector('main')).filter"
    assert browser.run(f"return {grey}") == "grayscale(1)"
    assert browser.run("return document.title") == "✕ no answer · musterd"
    api.change(api.desk.put, Member("compute", "h1"), state=State.DOWN, reason="silent")
    with api:
        is_told(browser, "#member", "down")
        browser.until("document.title === '▲ 1 down · musterd'")
        assert browser.run(f"return {grey}") == "none"
        assert not browser.run("return document.querySelector('#banners').innerText")


MARKUP = """<img src=x onerror="struck=1"></script><script>struck=1</script>'&amp;\u05d0\u200f"""
TURNED = MARKUP + "\u202egpj.x\u2067"


def test_what_members_say_is_shown_as_text(browser: Browser, api: Api) -> None:
    text = TURNED  # which no agent may announce
    odd = Member(f"g{text}", f"m{text}", f"z{text}", f"o{text}", {f"k{text}": f"v{text}"})
    api.change(api.desk.put, odd, reason=f"r{text}")
    change = FactsChange(disabled=True, reason=f"d{MARKUP}")
    api.change(api.desk.change_facts, odd.group, odd.name, change)
    browser.open(f"{api.url}/")
    is_told(browser, "#groups", odd.group)
    browser.click("#groups a")
    is_told(browser, "#members", odd.name)
    browser.run("document.querySelector('#zones-holder').open = true")
    is_told(browser, "#zones", f"z{text}")
    browser.click("#members a")
    is_told(browser, "#drawer", f"d{MARKUP}")
    for letter in "mzokvr":
        is_told(browser, "#drawer", letter + text)
    assert browser.run(STRUCK) == [None, 0]
    assert browser.console() == []
