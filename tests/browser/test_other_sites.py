"""A page of somebody else's, in the browser of an operator, reads nothing here and orders nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal

from musterd.model import Member
from musterd.testing.browser import Browser
from tests.browser.sites import Api, Stranger

Ports = Callable[[], int]

HOST = "/v1/groups/compute/members/h1"

SAME_ORIGIN = """
const status = async (method, path, body) =>
  (await fetch(path, {method, body, headers: {"content-type": "application/json"}})).status;
return [
  await status("GET", "/"), await status("GET", "/v1/groups"), await status("GET", "/v1/status"),
  await status("GET", "/v1/events"), await status("PATCH", arguments[0], '{"disabled": true}'),
  await status("DELETE", arguments[0]),
  await status("POST", "/v1/tokens", '{"name": "evil", "role": "admin"}'),
];
"""

ANOTHER_ORIGIN = """
const [api, host] = arguments;
const answer = (path, how) => fetch(api + path, how)
  .then(async (got) => `${got.type} ${await got.text()}`, (error) => error.name);
const event = (thing) => new Promise((done) => {
  for (const name of ["load", "error", "message", "snapshot"])
    thing.addEventListener(name, () => done(name));
});
const loaded = (tag, path) => {
  const element = Object.assign(document.createElement(tag), {src: api + path});
  document.documentElement.append(element);
  return event(element);
};
const token = '{"name": "evil", "role": "admin"}';
const form = Object.assign(document.createElement("form"),
  {method: "POST", enctype: "text/plain", action: api + "/v1/tokens", target: "answer"});
form.append(Object.assign(document.createElement("input"), {name: token, value: ""}));
const frame = Object.assign(document.createElement("iframe"), {name: "answer"});
document.documentElement.append(frame, form);
await new Promise((done) => setTimeout(done)); // an empty frame is loaded, too
form.submit();
await event(frame);
return {
  question: await answer("/v1/groups"),
  with_cookies: await answer("/v1/status", {credentials: "include"}),
  blind: await answer("/v1/groups", {mode: "no-cors"}),
  events: await event(new EventSource(api + "/v1/events")),
  image: await loaded("img", "/v1/groups"),
  script: await loaded("script", "/v1/groups"),
  change: await answer(host, {method: "PATCH", body: "{}", headers: {"content-type": "application/json"}}),
  removal: await answer(host, {method: "DELETE"}),
  token: await answer("/v1/tokens", {method: "POST", mode: "no-cors", body: token}),
  form: frame.contentDocument === null ? "hidden" : frame.contentDocument.body.textContent,
};
"""

NOTHING = {
    **dict.fromkeys(("question", "with_cookies", "change", "removal"), "TypeError"),
    **dict.fromkeys(("blind", "token"), "opaque "),
    **dict.fromkeys(("events", "image", "script"), "error"),
    "form": "hidden",
}

SANDBOX = "<iframe sandbox='allow-scripts allow-forms' srcdoc='<p>'></iframe>"


def site(browser: Browser, port: int, tmp_path: Path) -> None:
    browser.open(f"http://evil.example:{port}/")


def sandbox(browser: Browser, port: int, tmp_path: Path) -> None:
    site(browser, port, tmp_path)
    browser.enter_frame("iframe")


def data(browser: Browser, port: int, tmp_path: Path) -> None:
    browser.open("data:text/html,<p>")


def file(browser: Browser, port: int, tmp_path: Path) -> None:
    (tmp_path / "mail.html").write_text("<p>")
    browser.open((tmp_path / "mail.html").as_uri())


def test_a_name_that_comes_to_mean_the_coordinator_is_not_answered(
    browser: Browser, portal: BlockingPortal, ports: Ports
) -> None:
    """DNS rebinding: the page's own origin is served by us, as soon as the name says so."""
    port = ports()
    with Stranger(port) as stranger:
        browser.open(stranger.url)
    with Api(portal, port) as api:
        api.change(api.desk.put, Member("compute", "h1"))
        assert browser.run(SAME_ORIGIN, HOST) == [421] * 7
        assert api.ordered == []


@pytest.mark.parametrize("place", [site, sandbox, data, file])
def test_a_page_of_another_origin_reads_and_orders_nothing(
    place: Callable[[Browser, int, Path], None],
    browser: Browser,
    api: Api,
    ports: Ports,
    tmp_path: Path,
) -> None:
    api.change(api.desk.put, Member("compute", "h1"))
    port = ports()
    with Stranger(port, SANDBOX):
        place(browser, port, tmp_path)
        assert browser.run(ANOTHER_ORIGIN, api.url, HOST) == NOTHING
    assert api.ordered == []
    gauges = api.app.gauges
    assert gauges.answered[200] == 6  # the questions came; the page did not get the answers
    assert gauges.answered[405] == 2  # nobody may ask whether it may change or remove
    assert gauges.refused["browser"] == 2


def test_the_page_is_not_shown_within_another_one(browser: Browser, api: Api, ports: Ports) -> None:
    with Stranger(ports(), f"<iframe src='{api.url}/'></iframe>") as stranger:
        browser.open(stranger.url)
        browser.enter_frame("iframe")
    assert browser.run("return document.querySelectorAll('#login, main').length") == 0
    assert "frame-ancestors" in "".join(browser.console())
    assert api.app.gauges.answered[200] == 1


GOT_IN = """
const [evil] = arguments;
const main = document.querySelector("main");
main.innerHTML = `<img src=x onerror="struck = 1"><img src="${evil}image"><style>main {color: red}</style>`
  + `<iframe src="${evil}frame"></iframe><a href="javascript:struck = 2">link</a>`
  + `<form action="${evil}form"><button>Go on</button></form>`;
main.append(Object.assign(document.createElement("script"), {text: "struck = 3"}));
main.append(Object.assign(document.createElement("script"), {src: evil + "script"}));
main.querySelector("a").click();
main.querySelector("form").submit();
const sent = await fetch(evil + "fetch", {mode: "no-cors"}).catch((error) => error.name);
await new Promise((done) => setTimeout(done, 0));
return [globalThis.struck ?? null, sent, getComputedStyle(main).color === "rgb(255, 0, 0)"];
"""


def test_what_gets_into_the_page_does_not_run_and_sends_nothing_elsewhere(
    browser: Browser, api: Api, ports: Ports
) -> None:
    with Stranger(ports()) as stranger:
        browser.open(f"{api.url}/")
        assert browser.run(GOT_IN, stranger.url) == [None, "TypeError", False]
        assert stranger.asked == []
