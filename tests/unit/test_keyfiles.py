"""Key files, the commands that make them, and the settings that name them."""

import os
import stat
from pathlib import Path

import pytest

from musterd import cli
from musterd.errors import ConfigError
from musterd.keyfiles import (
    fleet_key_lines,
    make_fleet_key_file,
    read_fleet_keys,
    read_member_keys,
    rotate_fleet_key_file,
)
from musterd.keys import FleetKeys, member_key, member_key_text
from musterd.model import Member
from musterd.settings.keyring import fleet_keys_of, keyring_of
from musterd.settings.settings import Settings
from musterd.settings.sources import load

FLEET = bytes(range(32))
HOST = Member("compute", "h1")
KEY = member_key(FLEET, "musterd", "compute", "h1")
KEY_TEXT = member_key_text(KEY)

pytestmark = pytest.mark.usefixtures("no_configuration")


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    return private(tmp_path / "fleet.key", fleet_key_lines(FLEET))


def private(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def refusal_of(**given: str) -> str:
    with pytest.raises(ConfigError) as refused:
        keyring_of(load(given, {}).settings)
    return str(refused.value)


def test_a_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "fleet.key"
    make_fleet_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    keys = read_fleet_keys(path)
    assert keys.previous is None
    with pytest.raises(ConfigError, match=r"there already.* musterd keygen --rotate"):
        make_fleet_key_file(path)
    assert read_fleet_keys(path) == keys
    with pytest.raises(ConfigError, match="No such file"):
        make_fleet_key_file(tmp_path / "no" / "fleet.key")


def test_a_rotation_keeps_the_key_in_force_and_drops_the_one_before(fleet_file: Path) -> None:
    link = fleet_file.with_name("link.key")
    link.symlink_to(fleet_file)
    first = rotate_fleet_key_file(link)
    assert (first.previous, read_fleet_keys(fleet_file)) == (FLEET, first)
    second = rotate_fleet_key_file(fleet_file)
    assert second.previous == first.current
    assert read_fleet_keys(link) == second
    assert link.is_symlink()
    assert stat.S_IMODE(fleet_file.stat().st_mode) == 0o600
    assert sorted(fleet_file.parent.iterdir()) == [fleet_file, link]


def test_a_rotation_that_fails_leaves_the_file_as_it_was(fleet_file: Path) -> None:
    fleet_file.with_name(".fleet.key.new").mkdir()  # no place for the new one
    with pytest.raises(ConfigError, match="cannot write"):
        rotate_fleet_key_file(fleet_file)
    assert read_fleet_keys(fleet_file) == FleetKeys(FLEET)


def test_no_part_of_a_file_with_two_keys_is_taken_for_one_with_a_single_key(
    fleet_file: Path,
) -> None:
    """As it is where somebody copies it while it is read, or the copy stops half way."""
    whole = rotate_fleet_key_file(fleet_file)
    text = fleet_file.read_text()
    for length in range(len(text.rstrip())):
        with pytest.raises(ConfigError):
            read_fleet_keys(private(fleet_file, text[:length]))
    assert read_fleet_keys(private(fleet_file, text.rstrip())) == whole
    old = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    assert read_fleet_keys(private(fleet_file, old)) == whole


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(fleet_file: Path, mode: int) -> None:
    fleet_file.chmod(mode)
    with pytest.raises(ConfigError, match=f"others may read .* chmod 600 {fleet_file}"):
        read_fleet_keys(fleet_file)


def test_a_credential_of_systemd_may_have_an_access_list(fleet_file: Path) -> None:
    fleet_file.chmod(0o440)
    unit = {"CREDENTIALS_DIRECTORY": str(fleet_file.parent)}
    assert read_fleet_keys(fleet_file, unit) == FleetKeys(FLEET)
    below = fleet_file.parent / "other"
    below.mkdir()
    with pytest.raises(ConfigError, match="others may read"):
        read_member_keys(_open_to_all(below / "member.key"), unit)


def _open_to_all(path: Path) -> Path:
    private(path, KEY_TEXT).chmod(0o444)
    return path


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the fleet key file .*gone: No such file"):
        read_fleet_keys(tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"cannot read .* Is a directory"):
        read_member_keys(tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")
    binary.chmod(0o600)
    with pytest.raises(ConfigError, match="is no text"):
        read_fleet_keys(binary)
    with pytest.raises(ConfigError, match="is larger than"):
        read_fleet_keys(private(tmp_path / "large", "#" * (2 << 20)))
    with pytest.raises(ConfigError, match="is no plain file"):
        read_fleet_keys(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused_but_by_root(fleet_file: Path) -> None:
    os.chown(fleet_file, 12345, 12345)
    assert read_fleet_keys(fleet_file) == FleetKeys(FLEET)
    rotate_fleet_key_file(fleet_file)
    assert fleet_file.stat().st_uid == 12345


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    return cli.main(argv), *capsys.readouterr()


def test_keygen_and_key_end_in_a_key_that_an_agent_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "fleet.key"
    status, out, _ = run(capsys, "keygen", "--output", str(path))
    assert status == 0
    assert f"the key that `musterd key GROUP MEMBER --fleet-key {path}` prints\n" in out
    _, out, _ = run(capsys, "key", "compute", "h1", "--fleet-key", str(path))
    fleet = read_fleet_keys(path)
    keyring = keyring_of(Settings(member="h1", member_key=out))
    assert keyring
    assert keyring.key_of(HOST) == member_key(fleet.current, "musterd", "compute", "h1")
    _, lab, _ = run(capsys, "key", "compute", "h1", "--fleet-key", str(path), "--namespace", "lab")
    assert lab != out


def test_keygen_prints_a_file_and_rotates_one(
    fleet_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = run(capsys, "keygen")
    fleet_file.write_text(out)
    before = read_fleet_keys(fleet_file)
    status, out, _ = run(capsys, "keygen", "--rotate", str(fleet_file))
    after = read_fleet_keys(fleet_file)
    assert (status, "all coordinators and relays" in out) == (0, True)
    assert (after.previous, after.current != before.current) == (before.current, True)
    _, _, err = run(capsys, "key", "compute", "h1")
    assert "--fleet-key; `musterd keygen --output FILE` makes one" in err


def test_an_agent_takes_its_key_from_wherever_it_is_given(fleet_file: Path) -> None:
    file = private(fleet_file.with_name("member.key"), f"compute/h1 {KEY_TEXT}\n")
    for environ in (
        {"MUSTERD_MEMBER_KEY": KEY_TEXT},
        {"MUSTERD_MEMBER_KEY": f"compute/h1 {KEY_TEXT}"},
        {"MUSTERD_MEMBER_KEY_FILE": str(file)},
        {"MUSTERD_FLEET_KEY_FILE": str(fleet_file)},
        {"MUSTERD_FLEET_KEY_FILE": str(fleet_file), "MUSTERD_MEMBER_KEY_FILE": str(file)},
    ):
        keyring = keyring_of(load({"member": "h1"}, environ).settings)
        assert keyring
        assert keyring.key_of(HOST) == KEY
    assert keyring_of(Settings(member="h1")) is None


def test_a_member_without_a_key_is_told_how_to_get_one(tmp_path: Path) -> None:
    file = private(tmp_path / "member.key", f"compute/h2 {KEY_TEXT}")
    cure = "`musterd key compute h1 --fleet-key FILE` prints"
    assert cure in refusal_of(member="h1", member_key_file=str(file))
    with pytest.raises(ConfigError, match="`musterd key compute h1 --fleet-key FILE` prints"):
        keyring_of(Settings(member="h1", signatures="require"))
    assert "`musterd keygen --output FILE` makes" in refusal_of(signatures="require")


def test_one_key_does_not_do_for_several_members(tmp_path: Path) -> None:
    file = tmp_path / "musterd.toml"
    file.write_text('[[member]]\nmember = "a"\n[[member]]\nmember = "b"\n')
    settings = load({}, {"MUSTERD_MEMBER_KEY": KEY_TEXT}, file).settings
    with pytest.raises(ConfigError, match="2 members, each of which has a key of its own"):
        keyring_of(settings)


def test_who_checks_needs_the_fleet_key(fleet_file: Path) -> None:
    path = str(fleet_file)
    assert fleet_keys_of(Settings(fleet_key_file=path)) == FleetKeys(FLEET)
    assert Settings(fleet_key_file=path).signatures_in_force == "require"
    assert Settings().signatures_in_force == "off"
    assert fleet_keys_of(Settings()) is None
    assert fleet_keys_of(Settings(fleet_key_file=path, signatures="off")) is None
    with pytest.raises(ConfigError, match=r"accept needs the fleet key.*`musterd keygen"):
        fleet_keys_of(Settings(signatures="accept", member_key=KEY_TEXT))


def test_a_key_is_never_taken_from_the_command_line_nor_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for word in ("--member-key", f"--member-key={KEY_TEXT}"):
        words = [word] if "=" in word else [word, KEY_TEXT]
        status, _, err = run(capsys, "check-config", *words)
        assert (status, "MUSTERD_MEMBER_KEY" in err, KEY_TEXT in err) == (2, True, False)
    secrets = tmp_path / "secrets.env"
    secrets.write_text(f"MUSTERD_MEMBER_KEY={KEY_TEXT}\n")
    given = "check-config", "--env-file", str(secrets)
    for words in ([], ["--json"]):
        status, out, err = run(capsys, *given, *words)
        assert (status, KEY_TEXT[4:] in out + err, "***" in out) == (0, False, True)
    assert KEY_TEXT not in repr(load({}, {"MUSTERD_MEMBER_KEY": KEY_TEXT}).settings)
    secrets.write_text(f"MUSTERD_MEMBER_KEY={KEY_TEXT}x\n")
    status, _, err = run(capsys, *given)
    assert (status, KEY_TEXT[4:] in err, "use what `musterd key` prints" in err) == (2, False, True)
    with pytest.raises(ConfigError, match="leave one of them out"):
        load({"member_key_file": "f"}, {"MUSTERD_MEMBER_KEY": KEY_TEXT})


def test_check_config_reads_the_key_files(
    fleet_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = "check-config", "--fleet-key", str(fleet_file)
    status, out, _ = run(capsys, *given)
    assert (status, "require" in out) == (0, True)
    fleet_file.chmod(0o644)
    status, _, err = run(capsys, *given)
    assert (status, f"chmod 600 {fleet_file}" in err) == (2, True)
