"""The files that an operator copies: they must be as good as they look."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from musterd.cli import DAEMONS
from musterd.settings.declared.door import LISTEN
from musterd.settings.sources import load
from musterd_coordinator.http.limits import HttpLimits
from musterd_coordinator.http.outgoing import PIECE
from musterd_coordinator.limits.descriptors import MOST_OF_STORE, for_callers

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_example_configuration_loads_without_a_warning() -> None:
    loaded = load({}, {}, DEPLOY / "musterd.toml")
    assert loaded.warnings == []
    assert loaded.settings.store.startswith("memcached://")


def test_example_secrets_are_settings() -> None:
    lines = (DEPLOY / "secrets.env").read_text().splitlines()
    examples = [line.removeprefix("# ") for line in lines if line.startswith("# MUSTERD_")]
    loaded = load({}, dict(line.split("=", 1) for line in examples), DEPLOY / "musterd.toml")
    assert loaded.warnings == []
    assert loaded.sources["store"] == "MUSTERD_STORE"
    assert loaded.sources["registry"] == "MUSTERD_REGISTRY"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_daemon_has_a_hardened_unit(daemon: str) -> None:
    lines = (DEPLOY / f"musterd-{daemon}.service").read_text().splitlines()
    assert f"ExecStart=/usr/local/bin/musterd {daemon}" in lines
    assert "ExecReload=/bin/kill -HUP $MAINPID" in lines
    assert "Type=notify" in lines
    assert "LimitCORE=0" in lines  # passwords are in its memory
    coordinator = (DEPLOY / "musterd-coordinator.service").read_text().splitlines()
    hardening = coordinator[coordinator.index("DynamicUser=yes") : coordinator.index("[Install]")]
    wanted = {line for line in hardening if not line.startswith("#")}
    assert len(wanted) > 20
    assert wanted <= set(lines)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_unit_shows_how_secrets_and_networks_are_kept(daemon: str) -> None:
    text = (DEPLOY / f"musterd-{daemon}.service").read_text()
    for example in ("# LoadCredential=", "# IPAddressDeny=any\n", "# IPAddressAllow="):
        assert example in text
    assert "\nMemoryMax=" in text


@pytest.mark.parametrize("daemon", DAEMONS)
def test_systemd_finds_little_exposed(daemon: str) -> None:
    """Where systemd is; its score says how much of the system a unit could still reach, of ten."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    unit = DEPLOY / f"musterd-{daemon}.service"
    command = [program, "security", "--offline=true", "--threshold=12", str(unit)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


@pytest.mark.parametrize("daemon", ["coordinator", "relay"])
def test_whoever_listens_waits_for_addresses(daemon: str) -> None:
    lines = (DEPLOY / f"musterd-{daemon}.service").read_text().splitlines()
    assert "Wants=network-online.target" in lines
    assert any(line.startswith("After=network-online.target") for line in lines)
    assert "Restart=always" in lines
    assert "RestartPreventExitStatus=2" in lines


def test_the_door_to_nova_keeps_its_socket_and_its_connections() -> None:
    sock = (DEPLOY / "musterd-nova.socket").read_text().splitlines()
    unit = (DEPLOY / "musterd-nova.service").read_text().splitlines()
    assert f"ListenStream={LISTEN}" in sock
    assert "Requires=musterd-nova.socket" in unit
    assert any(line.startswith("After=musterd-nova.socket") for line in unit)
    assert f"FileDescriptorStoreMax={MOST_OF_STORE}" in unit
    assert "RestartSec=100ms" in unit  # clients wait for a second


def test_a_coordinator_has_the_memory_that_its_bounds_allow_for() -> None:
    lines = (DEPLOY / "musterd-coordinator.service").read_text().splitlines()
    unit = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    limits, files = HttpLimits(), int(unit["LimitNOFILE"])
    assert unit["MemoryMax"] == "2G"
    assert for_callers(files) == limits.connections
    buffers = limits.connections * PIECE  # an answer that is not taken, of each
    assert limits.first + limits.rest + limits.unsent + buffers <= 0.5e9
    assert 0.5e9 + 0.1e9 + 1.2e3 * 1e6 <= 2 * 2**30


def test_variables_that_files_set_are_options() -> None:
    """Any other one stops each daemon that is started with it."""
    root = DEPLOY.parent
    files = [
        root / "Makefile",
        *root.glob("scripts/*"),
        *root.glob("deploy/*"),
        *root.glob(".ci/*"),
    ]
    texts = [file.read_text() for file in files if file.is_file()]
    texts += [file.read_text() for file in root.glob("tests/faults/*.py")]
    named = {name for text in texts for name in re.findall(r"\bMUSTERD_[A-Z_]+\b", text)}
    assert named >= {"MUSTERD_CONFIG", "MUSTERD_STORE"}
    load({}, dict.fromkeys(named - {"MUSTERD_CONFIG"}, ""), DEPLOY / "musterd.toml")
