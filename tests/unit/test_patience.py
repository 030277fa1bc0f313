"""Addresses that come late are waited for, and those that nobody else reaches are named."""

from typing import Any

import anyio
import pytest
import trio.testing
from structlog.testing import capture_logs

from musterd.errors import CannotListen, ConfigError
from musterd_coordinator.process.binding import PATIENCE, patiently, warn_of_loopback


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Address:
    """Can be had from ``there`` seconds on."""

    def __init__(self, there: float) -> None:
        self._there = anyio.current_time() + there
        self.tries = 0

    async def listen(self) -> str:
        self.tries += 1
        if anyio.current_time() < self._there:
            raise CannotListen("cannot listen on 10.0.0.9:8420: this host has no such address")
        return "listening"


async def test_an_address_that_comes_late_is_waited_for_and_said_once() -> None:
    address = Address(there=12.0)
    with capture_logs() as lines:
        assert await patiently(address.listen, "API") == "listening"
    assert address.tries == 13
    assert [line["event"] for line in lines] == ["cannot listen yet", "listens at last"]
    assert lines[0]["patience"] == PATIENCE


async def test_one_that_does_not_come_is_given_up_in_time() -> None:
    began, address = anyio.current_time(), Address(there=1e9)
    with pytest.raises(CannotListen, match=r"10\.0\.0\.9:8420"):
        await patiently(address.listen, "API")
    assert PATIENCE <= anyio.current_time() - began <= PATIENCE + 1


async def test_what_does_not_mend_by_itself_is_not_waited_for() -> None:
    async def refuse() -> None:
        raise ConfigError("not permitted")

    began = anyio.current_time()
    with pytest.raises(ConfigError):
        await patiently(refuse, "API")
    assert anyio.current_time() == began


@pytest.mark.parametrize(
    ("host", "addresses", "warns"),
    [
        ("control", ["127.0.1.1"], True),
        ("control", ["127.0.1.1", "::1"], True),
        ("control", ["127.0.1.1", "10.0.0.1"], False),
        ("control", ["10.0.0.1"], False),
        ("localhost", ["127.0.0.1", "::1"], False),
        ("127.0.1.1", ["127.0.1.1"], False),
        ("0.0.0.0", ["0.0.0.0"], False),
        ("::1", ["::1"], False),
    ],
)
def test_a_name_of_this_host_that_only_this_host_reaches_is_named(
    host: str, addresses: list[str], warns: bool
) -> None:
    with capture_logs() as lines:
        warn_of_loopback("API", host, addresses)
    assert [line["event"] for line in lines] == ["listening on loopback only"] * warns
