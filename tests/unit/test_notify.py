"""musterd notify as a whole, against the real HTTP API over a desk of known answers."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.errors import ConfigError
from musterd.model import Member
from musterd.settings.settings import Settings
from musterd.settings.sources import load
from musterd.tls import client_tls
from musterd_coordinator.notify.alertmanager import Alertmanager
from musterd_coordinator.notify.bulletin import GATHER, GONE
from musterd_coordinator.notify.endpoint import Undelivered
from musterd_coordinator.notify.main import endpoint_of, key_of, notifier_of
from musterd_coordinator.notify.memory import Memory
from musterd_coordinator.notify.program import Program
from musterd_coordinator.notify.service import LONGEST_PAUSE, REFUSED_PAUSE, Notifier
from musterd_coordinator.notify.voices import AWAY_FOR, SOUND
from musterd_coordinator.notify.webhook import Webhook
from tests.http_desk import DictDesk
from tests.http_serving import served, until
from tests.notify_desk import HandClock, ListEndpoint, incident


def a_desk() -> DictDesk:
    desk = DictDesk()
    desk.put(Member("compute", "h1"))
    return desk


class Office:
    """A notifier whose clock a test moves, and its endpoint."""

    def __init__(self, urls: str, file: Path, *, heartbeat: float = inf) -> None:
        self.clock, self.endpoint = HandClock(), ListEndpoint()
        self.notifier = Notifier(
            urls,
            self.endpoint,
            Memory(file, "list"),
            token=None,
            tls=client_tls(Settings()),
            heartbeat=heartbeat,
            clock=self.clock.monotonic,
            wall=self.clock.wall,
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.notifier.follow)
            yield
            tasks.cancel_scope.cancel()

    async def hears(self, *coordinators: int) -> None:
        """Wait until so many incidents are heard of each coordinator."""
        await until(
            lambda: (
                [len(one.matters) for one in self.notifier.voices] == list(coordinators)
                and all(one.lost is None for one in self.notifier.voices)
            ),
            within=20.0,
        )

    async def turn(self, after: float = 0.0) -> list[str]:
        """What is told after so many seconds, in which all is as it is."""
        before = len(self.endpoint.taken)
        self.clock.now += after
        await self.notifier.turn()
        return self.endpoint.events[before:]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


async def test_an_incident_of_two_coordinators_is_told_once_and_once_when_it_is_over(
    file: Path,
) -> None:
    one, two = a_desk(), a_desk()
    async with served(one) as url, served(two) as other:
        office = Office(f"{url},{other}", file)
        async with office.following():
            await office.hears(0, 0)
            one.attend(incident())
            two.attend(incident())
            await office.hears(1, 1)
            assert await office.turn() == []
            assert await office.turn(GATHER) == ["opened"]
            one.attend()
            await office.hears(0, 1)
            assert await office.turn(SOUND) == []
            assert await office.turn(GONE) == []
            two.attend()
            await office.hears(0, 0)
            assert await office.turn() == []
            assert await office.turn(GONE) == ["resolved"]
            assert office.notifier.summary() == (
                "follows 2 of 2 coordinators, 0 go on, 0 not told yet, 2 messages delivered"
            )


async def test_a_coordinator_that_goes_is_told_and_its_incidents_are_not_over(file: Path) -> None:
    desk = a_desk()
    desk.attend(incident())
    with socket.create_server(("127.0.0.1", 0)) as found:
        place = f"127.0.0.1:{found.getsockname()[1]}"
    office = Office(f"http://{place}", file)
    async with office.following():
        async with served(desk, place):
            await office.hears(1)
            assert [await office.turn(), await office.turn(GATHER)] == [[], ["opened"]]
        await until(lambda: office.notifier.voices[0].lost is not None)
        assert await office.turn(AWAY_FOR - 1) == []
        assert [await office.turn(1), await office.turn(GATHER)] == [[], ["opened"]]
        told = office.endpoint.taken[-1].incident
        assert told is not None
        assert (told.kind, told.scope) == ("coordinator_away", f"http://{place}")
        assert await office.turn(10 * SOUND) == []
        async with served(desk, place):
            await office.hears(1)
            assert [await office.turn(), await office.turn(GONE)] == [[], ["resolved"]]


async def test_a_restart_tells_nothing_twice_and_what_was_over_meanwhile(file: Path) -> None:
    desk = a_desk()
    desk.attend(incident("a"), incident("b"))
    async with served(desk) as url:
        first = Office(url, file)
        async with first.following():
            await first.hears(2)
            assert [await first.turn(), await first.turn(GATHER)] == [[], ["opened"] * 2]
        desk.attend(incident("a"))
        second = Office(url, file)
        async with second.following():
            await second.hears(1)
            assert [await second.turn(), await second.turn(SOUND)] == [[], []]
            assert await second.turn(GONE) == ["resolved"]
    assert [one.told.id for one in Memory(file, "list").read()] == ["a"]
    assert Memory(file, "another").read() == []


async def test_an_endpoint_that_fails_is_tried_again_less_and_less_and_nothing_is_lost(
    file: Path,
) -> None:
    desk = a_desk()
    desk.attend(incident("a"), incident("b"))
    async with served(desk) as url:
        office = Office(url, file)
        async with office.following():
            await office.hears(2)
            office.endpoint.fails = Undelivered("it answered 500")
            with capture_logs() as logs:
                await office.turn()
                for _ in range(1000):
                    await office.turn(1.0)
            assert 20 < office.endpoint.tries < 50
            assert [line["event"] for line in logs].count("not delivered") == 1
            assert office.notifier.summary().endswith(
                "2 not told yet, 0 messages delivered; it answered 500"
            )
            office.endpoint.fails = None
            assert await office.turn(LONGEST_PAUSE) == ["opened"] * 2


async def test_a_message_that_is_refused_does_not_stop_the_others(file: Path) -> None:
    desk = a_desk()
    desk.attend(incident("a"), incident("b"))
    async with served(desk) as url:
        office = Office(url, file, heartbeat=60.0)
        async with office.following():
            await office.hears(2)
            office.endpoint.fails = Undelivered("it answered 400", of_message=True)
            assert [await office.turn(), await office.turn(GATHER)] == [[], []]
            assert office.endpoint.tries == 3  # of a heartbeat, too
            office.endpoint.fails = None
            assert await office.turn(REFUSED_PAUSE) == ["heartbeat", "opened", "opened"]


async def test_a_heartbeat_comes_whatever_coordinators_do(file: Path) -> None:
    office = Office("http://127.0.0.1:1", file, heartbeat=60.0)
    assert await office.turn() == ["heartbeat"]
    assert await office.turn(59) == []
    assert await office.turn(1) == ["heartbeat"]
    assert office.endpoint.taken[-1].text == (
        "musterd notify follows 0 of 1 coordinators, 1 go on, 1 not told yet, 1 messages delivered"
    )


async def test_it_turns_by_itself(file: Path) -> None:
    office = Office("http://127.0.0.1:1", file, heartbeat=60.0)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(office.notifier.run)
        await until(lambda: office.endpoint.events == ["heartbeat"], within=20.0)
        tasks.cancel_scope.cancel()


def test_a_file_of_no_use_is_said_and_is_no_end(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    file.write_text("{")
    with capture_logs() as logs:
        assert Memory(file, "x").read() == []
        Memory(file, "x").write([])
        nowhere = Memory(tmp_path / "nowhere" / "state.json", "x")
        nowhere.write([])
        nowhere.write([])
    assert file.stat().st_mode & 0o777 == 0o600
    assert [line["event"] for line in logs] == ["state not read", "state not written"]


# Its settings


def settings(**given: str) -> Settings:
    return load(given, {}, None).settings


def test_it_tells_one_endpoint() -> None:
    made = {
        Webhook: settings(notify_webhook="https://pager.example.org/x?y=z"),
        Program: settings(notify_exec="page --me"),
        Alertmanager: settings(notify_alertmanager="http://am1:9093,http://am2:9093"),
    }
    for kind, given in made.items():
        assert type(endpoint_of(given)[0]) is kind
    with pytest.raises(ConfigError, match="and nothing is given: give one of --webhook URL"):
        endpoint_of(settings())
    with pytest.raises(ConfigError, match="webhook and exec are given"):
        endpoint_of(settings(notify_webhook="http://x/", notify_exec="x"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("notify_webhook", url) for url in ("x", "ftp://h/", "http:///x", "http://h/a b")),
        ("notify_alertmanager", "http://am1:9093,am2"),
        *(("notify_exec", command) for command in ("", "'x")),
        ("notify_heartbeat", "1"),
    ],
)
def test_what_cannot_be_told_is_refused(key: str, value: str) -> None:
    with pytest.raises(ConfigError, match="is not usable"):
        settings(**{key: value})


def test_a_key_is_its_own_or_in_a_file_of_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o600)
    given = settings(notify_key_file=str(file))
    assert key_of(given) == "0123456789abcdef"
    assert key_of(settings()) is None
    loaded = load({}, {"MUSTERD_NOTIFY_KEY": "fedcba9876543210"}, None)
    assert key_of(loaded.settings) == "fedcba9876543210"
    assert "fedcba" not in repr(loaded.settings)
    file.write_text("short")
    with pytest.raises(ConfigError, match="a key is 16 characters or more"):
        key_of(given)
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read the webhook key file"):
        key_of(given)


async def test_a_notifier_is_made_of_settings(tmp_path: Path) -> None:
    given = settings(
        notify_exec="true",
        notify_state=str(tmp_path / "s"),
        notify_heartbeat="60",
        coordinator="http://c1:8420,unix:/run/c2.sock",
    )
    addresses = [voice.address for voice in notifier_of(given).voices]
    assert addresses == ["http://c1:8420", "unix:/run/c2.sock"]
