"""The module drives a real Chromium, by the W3C's WebDriver protocol that its chromedriver speaks.

https://www.w3.org/TR/webdriver2/ has the commands. The few of them that are needed here are a line
each; a library for them would bring six packages.
"""

import json
import os
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import httpcore

from musterd.testing.busy import Patience, allowed_now
from musterd.testing.processes import HOST, Server, ServerError, find_program

PATIENCE = 20.0
"""Seconds to wait for what takes a moment on an idle machine; a busy one has more of them."""

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key by which the protocol names an element
_SWITCHES = (
    *("--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,900"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-quic", "--no-proxy-server"),
    # It keeps pages of other networks from private addresses. Not every browser does, and what is
    # tested is what stops them all.
    "--disable-features=LocalNetworkAccessChecks",
)


class Browser(Server):
    """A `Browser` is one Chromium without a window, whose profile is gone when it ends.

    It finds the hosts of ``names`` at our own address, as a hostile name server might have it, and
    takes any certificate.
    """

    users = ("root",)

    def __init__(self, *names: str) -> None:
        super().__init__()
        self._names = names
        self._http = httpcore.ConnectionPool()
        self._session = ""

    def start(self) -> Self:
        """Start the driver, and Chromium by it."""
        super().start()
        wanted = {"capabilities": {"alwaysMatch": self._capabilities()}}
        self._session = "/" + self._call("POST", "", wanted)["sessionId"]
        return self

    def stop(self) -> None:
        """End Chromium, and then the driver, whose end it might survive."""
        if self._session:
            with suppress(ServerError):
                self._call("DELETE")
            self._session = ""
        super().stop()

    def close(self) -> None:
        """End it for good."""
        super().close()
        self._http.close()

    @contextmanager
    def tab(self) -> Iterator[None]:
        """Go on in a tab of its own, which is closed in the end."""
        before = self._call("GET", "/window")
        self._post("/window", handle=self._post("/window/new", type="tab")["handle"])
        try:
            yield
        finally:
            self._call("DELETE", "/window")
            self._post("/window", handle=before)

    def open(self, url: str) -> None:
        """Go to ``url``, and wait until it is loaded."""
        self._post("/url", url=url)

    def prefer(self, theme: str) -> None:
        """Let pages of this tab take the user to prefer a ``light`` or a ``dark`` theme."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
        self._post("/goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=wanted)

    def reload(self) -> None:
        """Load the page again."""
        self._post("/refresh")

    def enter_frame(self, css: str) -> None:
        """Go on in a frame of the page."""
        self._post("/frame", id={_ELEMENT: self._element(css)})

    def run(self, script: str, *arguments: object) -> Any:
        """Return what the body of an async JavaScript function returns; raise ServerError for its errors."""
        script = f"return (async () => {{ {script} }})()"
        return self._post("/execute/sync", script=script, args=arguments)

    def until(self, expression: str, *arguments: object) -> Any:
        """Return the value of an expression as soon as that is true; raise TimeoutError if it never is."""
        patience = Patience(PATIENCE)
        while not (value := self.run(f"return {expression}", *arguments)):
            if patience.is_over:
                raise TimeoutError(f"not so within {PATIENCE:.0f} s: {expression}")
            time.sleep(0.05)
        return value

    def click(self, css: str) -> None:
        """Click where a user would; raise ServerError where something is in the way."""
        self._act(css, "click")

    def type(self, css: str, text: str) -> None:
        """Type into a field."""
        self._act(css, "value", text=text)

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        strokes = [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]
        self._post("/actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    @contextmanager
    def sized(self, width: int, height: int) -> Iterator[None]:
        """Show pages of this tab so many pixels wide and high."""
        wanted = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        command = "Emulation.setDeviceMetricsOverride"
        self._post("/goog/cdp/execute", cmd=command, params=wanted)
        try:
            yield
        finally:
            command = "Emulation.clearDeviceMetricsOverride"
            self._post("/goog/cdp/execute", cmd=command, params={})

    def cookies(self) -> list[dict[str, Any]]:
        """Return the cookies that go to this page's host."""
        cookies: list[dict[str, Any]] = self._call("GET", "/cookie")
        return cookies

    def console(self) -> list[str]:
        """Return what the console said since it was last asked: ``SEVERE network …`` and the like."""
        lines = self._post("/se/log", type="browser")
        return [f"{line['level']} {line.get('source')} {line['message']}" for line in lines]

    def screenshot(self, file: Path) -> None:
        """Write what is seen to a PNG."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b64decode(self._call("GET", "/screenshot")))

    def _act(self, css: str, command: str, **values: object) -> None:
        while True:
            try:
                self._post(f"/element/{self._element(css)}/{command}", **values)
                return
            except ServerError as error:
                if "stale element" not in str(error):  # which was drawn anew meanwhile
                    raise

    def _element(self, css: str) -> str:
        found = self._post("/element", using="css selector", value=css)
        return str(found[_ELEMENT])

    def _post(self, command: str, **values: object) -> Any:
        return self._call("POST", command, values)

    def _call(self, method: str, command: str = "", values: object = None) -> Any:
        url = f"http://{self.address}/session{self._session}{command}"
        body = None if values is None else json.dumps(values).encode()
        try:
            answer = self._http.request(
                method, url, content=body, extensions={"timeout": _timeouts()}
            )
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            raise ServerError(f"chromedriver does not answer {command}: {error!r}") from error
        value = json.loads(answer.content)["value"]
        if answer.status != HTTPStatus.OK:
            raise ServerError(f"{value['error']}: {value['message'].splitlines()[0]}")
        return value

    def _capabilities(self) -> dict[str, object]:
        rules = ", ".join(f"MAP {name} {HOST}" for name in self._names)
        own = [f"--user-data-dir={self.directory}/profile", f"--host-resolver-rules={rules}"]
        if os.geteuid() == 0:
            own.append("--no-sandbox")  # there is none for root
        return {
            "acceptInsecureCerts": True,
            "goog:chromeOptions": {"args": [*_SWITCHES, *own]},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": dict.fromkeys(("script", "pageLoad"), int(allowed_now(PATIENCE) * 1000)),
        }

    def _command(self) -> list[str]:
        return [str(find_program("chromedriver", "chromium-driver")), f"--port={self.port}"]

    def _is_ready(self) -> bool:
        return self.accepts()


def _timeouts() -> dict[str, float]:
    return dict.fromkeys(("connect", "read", "write", "pool"), allowed_now(2 * PATIENCE))
