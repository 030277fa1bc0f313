"""A fleet gets another key, file by file: nothing is restarted, and nobody is missed or accused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from musterd.beat import Beat
from musterd.keyfiles import fleet_key_lines, read_fleet_keys, rotate_fleet_key_file
from musterd.keys import FleetKeys, Keyring, Seal, challenge_digest, member_key, member_key_text
from musterd.model import Member
from musterd.renewal import Renewable
from musterd.settings.keyring import renewable_fleet_keys, renewable_keyring
from musterd.settings.settings import Settings
from musterd.stores.slots.protocol import write_holder
from musterd.stores.table.table import Table
from musterd_coordinator.relay.checking import RelayChecks
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import Signatures
from musterd_coordinator.sweep.signed.signing import Signing
from tests.unit.signed_world import FLEET, NAMESPACE, SignedWorld

pytestmark = pytest.mark.anyio


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def agents_keys(path: Path) -> Renewable[Keyring]:
    settings = Settings(namespace=NAMESPACE, member="h", fleet_key_file=str(path))
    keys = renewable_keyring(settings)
    assert keys is not None
    return keys


class Fleet:
    """Three agents with key files of their own, and a coordinator with another."""

    def __init__(self, folder: Path) -> None:
        self.world = SignedWorld()
        self.file = write(folder / "coordinator.key", fleet_key_lines(FLEET.current))
        settings = Settings(namespace=NAMESPACE, fleet_key_file=str(self.file))
        file = renewable_fleet_keys(settings)
        assert file is not None
        self.coordinator, file.take = file, self._adopt
        self.files = {
            member.name: write(folder / member.name, self.file.read_text())
            for member in self.world.hosts
        }
        self.agents = {name: agents_keys(path) for name, path in self.files.items()}
        for name, keys in self.agents.items():
            self.world.writers[name] = self.world.agent(keys.current())

    def _adopt(self, keys: FleetKeys) -> None:
        self.world.signing.keys = keys

    async def round(self) -> Signatures | None:
        heard, batch = await self.world.round()
        assert heard == {member.name for member in self.world.hosts}
        assert (batch.contested, batch.unfresh, sum(batch.rejected)) == ([], [], 0)
        return batch.signatures


async def test_files_are_exchanged_one_after_the_other(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path)
    await fleet.world.settle()
    rotate_fleet_key_file(fleet.file)
    assert await fleet.round() == Signatures()
    fleet.coordinator.look()
    assert await fleet.round() == Signatures(with_old_key=3)
    for left, (name, path) in zip((2, 1, 0), fleet.files.items(), strict=True):
        write(path, fleet.file.read_text())
        fleet.agents[name].look()
        assert await fleet.round() == Signatures(with_old_key=left)
    write(fleet.file, fleet_key_lines(read_fleet_keys(fleet.file).current))
    fleet.coordinator.look()
    assert await fleet.round() == Signatures()


@pytest.mark.parametrize("text", ["", "mfk_nonsense\n", None])
async def test_a_file_that_is_not_right_changes_nothing(tmp_path: Path, text: str | None) -> None:
    fleet = Fleet(tmp_path)
    await fleet.world.settle()
    name, path = next(iter(fleet.files.items()))
    for file in (fleet.file, path):
        file.unlink() if text is None else write(file, text)
    with capture_logs() as logs:
        for _ in range(3):
            fleet.coordinator.look()
            fleet.agents[name].look()
    assert [line["event"] for line in logs] == 2 * ["renewed key refused"]
    assert "nonsense" not in str(logs)
    assert await fleet.round() == Signatures()


async def test_a_member_s_own_key_is_taken_anew(tmp_path: Path) -> None:
    world, other = SignedWorld(), FleetKeys(b"2" * 32)
    world.signing.keys = replace(other, previous=FLEET.current)
    member = world.hosts[0]

    def text(fleet: FleetKeys) -> str:
        key = member_key(fleet.current, NAMESPACE, member.group, member.name)
        return f"{member} {member_key_text(key)}\n"

    path = write(tmp_path / "member.key", text(FLEET))
    settings = Settings(namespace=NAMESPACE, member=member.name, member_key_file=str(path))
    keys = renewable_keyring(settings)
    assert keys is not None
    world.writers[member.name] = world.agent(keys.current())
    await world.settle()
    write(path, text(other) + "# of today\n")
    keys.look()
    heard, batch = await world.round()
    assert member.name in heard
    assert batch.signatures == Signatures(with_old_key=2)


def test_a_relay_checks_the_members_that_it_has_by_the_keys_of_now() -> None:
    other, member = FleetKeys(b"2" * 32), Member("compute", "h", "z1")
    signing = Signing(FLEET, NAMESPACE, "r1", required=True, down_time=lambda: 60.0)
    checks = RelayChecks(signing)
    checks.saw(b"challenge")
    inbox, identity = Inbox(Table(), lambda: 0.0, checks=checks), signing.identity(member)
    seals = [sealed(keys, member) for keys in (FLEET, other)]
    holder = write_holder(member, seals[0].mac)
    inbox.seats.put(identity, 1, holder, b"key", 0.0, checks.seals(member))
    beat = Beat(identity, 7, 1, 1000)
    records = [seal.record(beat, challenge_digest(b"challenge")) for seal in seals]
    words = np.stack([np.frombuffer(record, "<u8") for record in records], axis=1)

    def good() -> list[bool]:
        whole(inbox.seal_anew(checks))
        places = inbox.seats.find_all(words[1])
        checked = whole(checks.check(words, inbox.seats.seals[:, places]))
        return [bool(each) for each in checked]

    assert good() == [True, False]
    checks.adopt(replace(other, previous=FLEET.current))
    assert good() == [True, True]
    checks.adopt(other)
    assert good() == [False, True]


def sealed(keys: FleetKeys, member: Member) -> Seal:
    key = member_key(keys.current, NAMESPACE, member.group, member.name)
    return Seal(key, NAMESPACE, member)


def test_an_agent_looks_at_no_file_for_a_key_of_its_environment() -> None:
    key = member_key_text(member_key(FLEET.current, NAMESPACE, "compute", "h"))
    keys = renewable_keyring(Settings(namespace=NAMESPACE, member="h", member_key=key))
    assert keys is not None
    assert not keys.paths
