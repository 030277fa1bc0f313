"""Files of the shapes that deployments have are read as Nova reads them, or refused with what to add."""

import shutil
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from musterd.errors import ConfigError
from musterd.settings.novacache import DoorFacts, Severity, findings
from musterd.settings.novafile import NovaFile, read_with_others
from musterd.settings.sources import load

DATA = Path(__file__).parents[1] / "data" / "nova_conf"
EXPECTED: Mapping[str, Mapping[str, Any]] = tomllib.loads((DATA / "expected.toml").read_text())
READ = [name for name, expected in EXPECTED.items() if "nova" in expected]
NOT_SET = {"servicegroup_driver": "db", "service_down_time": "60", "report_interval": "10"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy of the files that names itself where they say @HERE@."""
    copy = shutil.copytree(DATA, tmp_path / "data")
    for file in copy.rglob("*.conf"):
        file.write_bytes(file.read_bytes().replace(b"@HERE@", str(copy).encode()))
    return copy


def file_of(data: Path, name: str) -> Path:
    directory = data / name
    return directory / "nova.conf" if directory.is_dir() else data / f"{name}.conf"


def here(data: Path, expected: object) -> Any:
    return expected.replace("@HERE@", str(data)) if isinstance(expected, str) else expected


def test_every_file_has_its_expectation() -> None:
    files = {path.stem for path in DATA.glob("*.conf")} | {
        path.name for path in DATA.iterdir() if path.is_dir()
    }
    assert files == set(EXPECTED)
    assert len(EXPECTED) >= 45


@pytest.mark.parametrize("name", EXPECTED)
def test_a_file_as_found_names_its_store_or_says_what_to_add(data: Path, name: str) -> None:
    file, expected = file_of(data, name), EXPECTED[name]
    if refused := expected.get("refused"):
        with pytest.raises(ConfigError) as caught:
            load({}, {}, file)
        assert str(caught.value) == here(data, refused).replace("FILE", str(file))
        assert "s3cret" not in str(caught.value)
        return
    loaded = load({}, {}, file)
    assert loaded.settings.store == here(data, expected["store"])
    tls = loaded.settings.ca_file, loaded.settings.cert_file, loaded.settings.key_file
    assert tls == tuple(expected.get(key) for key in ("ca_file", "cert_file", "key_file"))
    warnings = [warning.removeprefix(f"{file}: ") for warning in loaded.warnings]
    assert warnings == [here(data, warning) for warning in expected.get("warnings", [])]


@pytest.mark.parametrize("name", READ)
def test_every_file_works_with_a_store_given(data: Path, name: str) -> None:
    settings = load({}, {"MUSTERD_STORE": "memcached://mc:11211"}, file_of(data, name)).settings
    nova = EXPECTED[name]["nova"]
    seconds = settings.service_down_time, settings.interval
    assert seconds == (nova["service_down_time"], nova["report_interval"])
    assert settings.member == nova.get("host", socket.gethostname())


@pytest.mark.parametrize("name", READ)
def test_nova_would_not_ask_a_door_by_any_of_them_as_found(data: Path, name: str) -> None:
    found = findings(
        read_with_others(file_of(data, name)), DoorFacts("127.0.0.1", 11511, tls=False)
    )
    assert found[0].severity is Severity.BITES


@pytest.mark.parametrize("name", READ)
def test_every_option_is_read_as_nova_reads_it(data: Path, name: str) -> None:
    nova = read_with_others(file_of(data, name))
    for key, expected in EXPECTED[name]["nova"].items():
        assert value_of(nova, key, expected) == here(data, expected), key


def value_of(nova: NovaFile, key: str, expected: object) -> object:
    section = "database" if key == "connection" else "DEFAULT" if key in DEFAULTS else "cache"
    if isinstance(expected, bool):
        return nova.is_true((section, key))
    text = nova.text((section, key)) or NOT_SET.get(key, "")
    if isinstance(expected, list):
        return [word.strip() for word in text.split(",") if word.strip()]
    return int(text) if isinstance(expected, int) else text


DEFAULTS = {*NOT_SET, "host"}
