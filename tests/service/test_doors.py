"""What other hosts reach is locked, or refused at the start with what mends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.errors import ConfigError
from musterd.model import State
from musterd.settings.settings import Settings
from musterd.testing.authority import Authority
from musterd.testing.daemons import Agent, Coordinator, Watch, all_in
from musterd_coordinator.doorway.guard import check_api, check_beats, check_page

OPEN = "0.0.0.0:8420"


def secured(tls_client_ca_file: str | None = None) -> Settings:
    return Settings(
        listen=OPEN,
        tls_cert_file="tls.crt",
        tls_key_file="tls.key",
        tls_client_ca_file=tls_client_ca_file,
    )


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.8.9.1:0"])
async def test_on_this_host_alone_nothing_is_asked(listen: str) -> None:
    await check_api(Settings(listen=listen), has_tokens=False)
    await check_beats(Settings(), "the relay", listen.rpartition(":")[0].strip("[]"), by_tls=False)


@pytest.mark.parametrize("listen", [OPEN, "[::]:8420", "192.0.2.7:1", "no-such-name.invalid:1"])
async def test_off_it_nothing_is_open(listen: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await check_api(Settings(listen=listen), has_tokens=False)
    said = str(caught.value)
    assert f"the API would listen on {listen.rpartition(':')[0].strip('[]')}, which other" in said
    assert "without TLS and anything that says who calls: make a certificate (`openssl req" in said
    assert "make a token (`musterd token create --name me --role admin`)" in said
    assert "insecure_listen = true" in said
    assert "\n" not in said


async def test_tls_and_somebody_who_may_call_are_enough() -> None:
    await check_api(secured(), has_tokens=True)
    await check_api(secured(tls_client_ca_file="ca.crt"), has_tokens=False)


async def test_one_without_the_other_is_not() -> None:
    with pytest.raises(ConfigError, match="without anything that says who calls: make a token"):
        await check_api(secured(), has_tokens=False)
    with pytest.raises(ConfigError, match="without TLS: make a certificate"):
        await check_api(Settings(listen=OPEN), has_tokens=True)


async def test_a_page_is_for_those_who_show_a_certificate() -> None:
    await check_page(Settings(), "the relay's metrics", "127.0.0.1")
    await check_page(secured(tls_client_ca_file="ca.crt"), "the relay's metrics", "0.0.0.0")
    with pytest.raises(ConfigError, match="without certificates of callers: name the auth"):
        await check_page(secured(), "the relay's metrics", "0.0.0.0")


async def test_beats_are_taken_by_tls_alone() -> None:
    await check_beats(Settings(), "the relay", "0.0.0.0", by_tls=True)
    with pytest.raises(ConfigError, match=r"the relay would listen on .* without TLS: make"):
        await check_beats(Settings(), "the relay", "0.0.0.0", by_tls=False)


async def test_who_wants_it_open_gets_a_warning() -> None:
    settings = Settings(listen=OPEN, insecure_listen=True)
    with capture_logs() as logs:
        await check_api(settings, has_tokens=False)
        await check_beats(settings, "the embedded store", "0.0.0.0", by_tls=False)
    assert [line["log_level"] for line in logs] == ["warning", "warning"]
    assert logs[0] == {
        "event": "listening insecurely",
        "log_level": "warning",
        "what": "the API",
        "host": "0.0.0.0",
        "without": ["TLS", "anything that says who calls"],
        "note": "insecure_listen",
    }


@pytest.mark.parametrize(
    ("daemon", "option"),
    [
        ("coordinator", ("--listen", "0.0.0.0:0")),
        ("coordinator", ("--store", "embedded://0.0.0.0:0")),
        ("relay", ("--relay-listen", "0.0.0.0:0", "--store", "postgresql://u@127.0.0.1:1/db")),
    ],
)
def test_a_daemon_that_would_be_open_does_not_start(
    daemon: str, option: tuple[str, ...], tmp_path: Path
) -> None:
    config = tmp_path / "musterd.toml"
    config.write_text('store = "memory:"\nlisten = "127.0.0.1:0"\n')
    done = subprocess.run(
        [sys.executable, "-m", "musterd", daemon, "--config", str(config), *option],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ,
    )
    assert done.returncode == 2
    assert "which other hosts reach, without TLS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fleet_behind_tls_on_an_open_address(authority: Authority, tmp_path: Path) -> None:
    """The API, the embedded store, agents and a command line, all by TLS and certificates."""
    server, agent, me = (authority.issue(name) for name in ("control", "agent", "operator"))
    mine = {"ca_file": authority.file, "cert_file": me.cert, "key_file": me.key}
    with Coordinator(
        "memory:",
        tls_cert_file=server.cert,
        tls_key_file=server.key,
        tls_client_ca_file=authority.file,
        **mine,
    ) as coordinator:
        coordinator.stop()
        port = coordinator.port
        coordinator.settings["listen"] = f"0.0.0.0:{port}"
        with Agent("memory:", "h1") as spare:  # its port is held for the store
            spare.stop()
            store = f"embedded+tls://0.0.0.0:{spare.port}"
            coordinator.settings["store"] = store
            coordinator.start()
            with Agent(
                store.replace("0.0.0.0", "127.0.0.1"),
                "h1",
                ca_file=authority.file,
                cert_file=agent.cert,
                key_file=agent.key,
            ):
                Watch(coordinator).until(all_in(State.UP, "h1"), "up")
                command = [sys.executable, "-m", "musterd", "members", "compute"]
                environ = {f"MUSTERD_{key.upper()}": value for key, value in mine.items()}
                shown = subprocess.run(
                    [*command, "--coordinator", f"https://localhost:{port}"],
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, **environ},
                )
                assert "h1" in shown.stdout
                plain = subprocess.run(
                    [*command, "--coordinator", f"http://localhost:{port}"],
                    check=False,
                    capture_output=True,
                    text=True,
                )
                assert "this port speaks TLS: ask it by https://" in plain.stderr
