"""A real Chromium for each worker, a tab of it for each test, and a picture of what failed."""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from musterd.testing.browser import Browser
from musterd.testing.processes import ServerError, held_port
from tests.browser.sites import EVIL, Api, Stranger

PICTURES = Path("build/browser")

StartStranger = Callable[[str], Stranger]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take a picture of what a test saw that failed, and name it."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.when == "call" and report.failed and browser is not None:
        picture = PICTURES / (re.sub(r"\W+", "-", item.name).strip("-") + ".png")
        with suppress(ServerError):  # its own end is told by the test
            browser.screenshot(picture)
            report.sections.append(("what the browser showed", str(picture)))
    return report


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this worker."""
    with Browser(EVIL) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The same in a new tab, with nothing said so far."""
    with chromium.tab():
        chromium.console()
        yield chromium


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """The loop in which coordinators serve."""
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture
def ports(servers: ExitStack) -> Callable[[], int]:
    """Free ports, held for the whole test."""
    return lambda: servers.enter_context(held_port())


@pytest.fixture
def api(portal: BlockingPortal, ports: Callable[[], int]) -> Iterator[Api]:
    """An API as on a laptop."""
    with Api(portal, ports()) as api:
        yield api
