"""A shadow is a coordinator of Nova's databases alone, which nobody asks."""

import stat
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from musterd.cli.shadow import parser
from musterd.errors import ConfigError
from musterd.settings.settings import Settings
from musterd.settings.sources import load
from musterd_coordinator import shadow
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.wiring import coordinator_name

NOVA = "nova+mysql://eye:secret@db1/nova_api"


def test_it_shares_nothing_with_a_coordinator(tmp_path: Path) -> None:
    given = Settings(
        store="memcached://mc1",
        watch=NOVA,
        registry="postgresql://db1/fleet",
        fleet_key_file="/etc/musterd/fleet.key",
        nova_listen="127.0.0.1:11211",
        trace_dir="trace",
    )
    alone = shadow.alone(given, tmp_path)
    assert (alone.store, alone.watch, alone.nova_listen) == (NOVA, None, None)
    assert alone.registry_url == f"sqlite:///{tmp_path}/registry.db"
    assert (alone.listen_addresses, alone.signatures_in_force) == ([], "off")
    assert alone.trace_dir == str(Path("trace").absolute())
    assert coordinator_name(alone) != coordinator_name(given)
    assert coordinator_name(alone).endswith("-shadow")


def test_it_wants_a_database_of_novas(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="memcached://mc1 is no database of Nova's; name it with"):
        shadow.alone(Settings(store="memcached://mc1"), tmp_path)


def test_it_says_what_it_does_and_no_secret(tmp_path: Path) -> None:
    settings = shadow.alone(
        Settings(store=NOVA, trace_dir=str(tmp_path), trace_anonymous=True), tmp_path
    )
    said = list[str]()
    shadow.tell(settings, 3600.0, 1_764_529_200.0, said.append)
    until = "until 2025-11-30 20:00 UTC"
    assert said[:2] == [
        f"watching nova+mysql://eye:***@db1/nova_api {until}; nobody is answered, and Nova asks as before",
        f"recording in {tmp_path}, without names, at most 256 MB",
    ]
    shadow.tell(settings, None, 0.0, said.append)
    assert "until it is told to stop" in said[3]


def test_its_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "trace"
    shadow.check_folder(Settings(trace_dir=str(folder)))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"trace_dir .*/file/trace: .*name another folder"):
        shadow.check_folder(Settings(trace_dir=f"{tmp_path}/file/trace"))


def test_its_command_line() -> None:
    args = parser("shadow").parse(["--nova", NOVA, "--for", "7d", "--anonymous"])
    assert (args.nova, args.span, args.anonymous, args.trace_dir) == (NOVA, 604_800.0, True, None)


def test_it_ends_when_its_time_is_over_though_no_database_answers(tmp_path: Path) -> None:
    settings = Settings(
        store="nova+mysql://eye@127.0.0.1:1/nova_api", trace_dir=str(tmp_path / "t")
    )
    said = list[str]()
    assert shadow.run(settings, None, 0.2, said.append) == 0
    assert said[-1] == f"recorded; musterd report {tmp_path}/t tells what came of it"


class Office:
    """Stands in for who records."""

    def __init__(self) -> None:
        self.adopted = list[Settings]()
        self.renewals = 0

    def adopt(self, settings: Settings) -> None:
        self.adopted.append(settings)

    def renew(self) -> None:
        self.renewals += 1


async def test_a_hangup_changes_what_can_change_while_it_runs() -> None:
    office, told = Office(), {"MUSTERD_STORE": NOVA, "MUSTERD_STORM_HOLD": "90"}
    settings = load({}, {"MUSTERD_STORE": NOVA}).settings
    again = shadow.reloading(settings, lambda: load({}, told), cast(CoordinatorService, office))
    with capture_logs() as lines:
        await again.once()
    assert [fresh.storm_hold for fresh in office.adopted] == [90.0]
    assert office.renewals == 1
    assert "needs_restart" not in lines[-1]
