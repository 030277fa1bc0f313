"""SIGHUP: what can change while a daemon runs changes, and what became of it is said."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd.settings import sources as config
from musterd.settings.options import Role
from musterd.settings.reload import LIVE, Reloading, differing, keep_hangups
from musterd.settings.settings import OPTIONS, Settings
from musterd.systemd import Systemd
from musterd.testing.busy import in_time
from musterd_coordinator.http.heads import Hosts
from musterd_coordinator.wiring import LIVE as COORDINATORS
from tests.agent_support import settings_of


@pytest.fixture(autouse=True)
def _leave_no_trace() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Daemon:
    """Settings from a file that a test writes anew."""

    def __init__(self, file: Path, role: Role, text: str, *live: str) -> None:
        self.file = file
        self.applied: list[Settings] = []
        self.write(text)
        self.reloading = Reloading(
            self.load().settings, self.load, role, live=live, apply=self.applied.append
        )

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def load(self) -> config.Loaded:
        return config.load({}, {}, self.file)

    async def reload(self, text: str) -> dict[str, object]:
        """The one line that the log says of it, besides doubts."""
        self.write(text)
        with capture_logs() as lines:
            await self.reloading.once()
        (line,) = [line for line in lines if line["event"] != "configuration doubtful"]
        return dict(line)


@pytest.fixture
def coordinator(tmp_path: Path) -> Daemon:
    text = "service_down_time = 60\nhistory_days = 30\n"
    return Daemon(tmp_path / "musterd.toml", Role.COORDINATOR, text, *COORDINATORS)


async def test_what_can_change_changes_and_the_rest_is_named(coordinator: Daemon) -> None:
    line = await coordinator.reload(
        'service_down_time = 90\nhistory_days = 7\nlisten = "0.0.0.0:8420"\nlog_level = "debug"\n'
    )
    assert line["changed"] == {
        "service_down_time": "60.0 -> 90.0",
        "history_days": "30 -> 7",
        "log_level": "info -> debug",
    }
    assert line["needs_restart"] == ["listen"]
    (applied,) = coordinator.applied
    assert (applied.service_down_time, applied.history_days) == (90.0, 7)
    assert applied.listen == "127.0.0.1:8420"
    again = await coordinator.reload(coordinator.file.read_text())
    assert again["changed"] == "nothing"
    assert again["needs_restart"] == ["listen"]
    assert len(coordinator.applied) == 1


@pytest.mark.parametrize(
    "bad", ["service_down_time = \n", "service_down_time = -1\n", 'sotre = "x"\n', "\xff"]
)
async def test_a_file_that_cannot_be_used_changes_nothing(coordinator: Daemon, bad: str) -> None:
    before = coordinator.reloading.settings
    line = await coordinator.reload(f'log_level = "debug"\n{bad}')
    assert (line["event"], line["note"]) == ("configuration refused", "nothing changed")
    assert str(coordinator.file) in str(line["reason"])
    assert coordinator.reloading.settings == before
    assert coordinator.applied == []


async def test_a_file_that_went_away_changes_nothing(coordinator: Daemon) -> None:
    coordinator.file.unlink()
    with capture_logs() as lines:
        await coordinator.reloading.once()
    assert [line["event"] for line in lines] == ["configuration refused"]


async def test_a_hangup_before_anybody_listens_is_done_as_soon_as_somebody_does(
    coordinator: Daemon,
) -> None:
    before = signal.getsignal(signal.SIGHUP)
    applied = anyio.Event()
    reloading = Reloading(
        coordinator.load().settings,
        coordinator.load,
        Role.COORDINATOR,
        live=COORDINATORS,
        apply=lambda settings: applied.set(),
    )
    keep_hangups()
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        coordinator.write("service_down_time = 90\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reloading.run, Systemd())
            with in_time(10):
                await applied.wait()
            tasks.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert reloading.settings.service_down_time == 90.0


async def test_no_thread_to_be_had_changes_nothing(coordinator: Daemon) -> None:
    def no_thread() -> config.Loaded:
        raise RuntimeError("can't start new thread")

    reloading = Reloading(coordinator.load().settings, no_thread, Role.COORDINATOR)
    with capture_logs() as lines:
        await reloading.once()
    assert [line["event"] for line in lines] == ["configuration not read"]


async def test_an_agent_changes_how_much_it_says_and_names_the_rest(tmp_path: Path) -> None:
    agent = Daemon(tmp_path / "musterd.toml", Role.AGENT, "interval = 10\n")
    line = await agent.reload(
        'interval = 5\nlog_level = "error"\nhistory_days = 3\n[[member]]\nmember = "a"\n'
    )
    assert line["changed"] == {"log_level": "info -> error"}
    assert line["needs_restart"] == ["interval", "[[member]]"]
    assert line["log_level"] == "error"  # said although the level is above it


async def test_a_password_is_not_said(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "musterd.toml", Role.RELAY, "", "store")
    line = await daemon.reload('store = "postgresql://u:s3cret@h/d"\n')
    assert "store" in str(line)
    assert "s3cret" not in str(line)


@given(
    down=st.floats(1, 1000),
    days=st.integers(1, 999),
    listen=st.sampled_from(["h:1", "h:2"]),
    period=st.floats(0.05, 0.9),
)
def test_only_what_is_live_ever_differs_in_what_is_applied(
    down: float, days: int, listen: str, period: float
) -> None:
    old = Settings()
    new = Settings(service_down_time=down, history_days=days, listen=listen, sweep_period=period)
    changed = differing(old, new, Role.COORDINATOR)
    assert all(getattr(old, key) != getattr(new, key) for key in changed)
    assert {key for key in OPTIONS if getattr(old, key) != getattr(new, key)} == set(changed)
    assert {*COORDINATORS, *LIVE} <= set(OPTIONS)


def test_hosts_that_are_allowed_anew_take_the_place_of_those_before() -> None:
    hosts = Hosts(["control"])
    hosts.allow(["api.example", ""])
    assert [hosts.known(name) for name in ("control", "api.example:8420", "other")] == [1, 1, 0]
    hosts.allow(["other"])
    assert [hosts.known(name) for name in ("control", "api.example:8420", "other")] == [1, 0, 1]


async def test_a_hangup_while_it_runs_is_obeyed_and_doubts_are_said(coordinator: Daemon) -> None:
    before = signal.getsignal(signal.SIGHUP)

    def doubtful() -> config.Loaded:
        return coordinator.load()._replace(warnings=("interval is odd",))

    reloading = Reloading(coordinator.load().settings, doubtful, Role.COORDINATOR)
    told = Told()
    try:
        with capture_logs() as lines, in_time(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reloading.run, told)
                while signal.getsignal(signal.SIGHUP) == before:  # noqa: ASYNC110  # no event
                    await anyio.sleep(0.001)
                os.kill(os.getpid(), signal.SIGHUP)
                await told.done.wait()
                tasks.cancel_scope.cancel()
    finally:
        signal.signal(signal.SIGHUP, before)
    assert ("configuration doubtful", "interval is odd") in [
        (line["event"], line.get("detail")) for line in lines
    ]


class Told(Systemd):
    """It says when a reload is over."""

    def __init__(self) -> None:
        super().__init__()
        self.done = anyio.Event()

    @contextmanager
    def reloading(self) -> Iterator[None]:
        yield
        self.done.set()


def test_what_members_of_a_list_do_not_read_is_no_change() -> None:
    listed = settings_of("h1")
    other = msgspec.structs.replace(listed, zone="r2", interval=5.0)
    assert set(differing(listed, other, Role.AGENT)) == {"interval"}
