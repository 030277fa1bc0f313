"""From outside: `musterd shadow` records what Nova's rule and musterd make of a host that dies."""

import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import pytest

from musterd.testing.busy import Patience, allowed_now
from musterd.testing.daemons import PATIENCE, Daemon
from musterd.testing.mariadb import MariaDb
from musterd.trace.lines import RuleChange, StillSilent, TraceMember, VerdictChange
from tests.service.nova_lab import NovaLab, nova_lab
from tests.system.nova_reports import reporting
from tests.trace_reading import lines_in

HOSTS = [f"h{number:02}" for number in range(35)]
NOW = "utc_timestamp()"

L = TypeVar("L")


class Shadow(Daemon):
    """A `Shadow` is `musterd shadow`, which is there once its trace is."""

    subcommand = "shadow"

    def _is_ready(self) -> bool:
        return len(self.lines(VerdictChange)) > len(HOSTS)

    def lines(self, kind: type[L]) -> list[L]:
        """All lines of one kind that it has written whole."""
        return lines_in(Path(str(self.settings["trace_dir"])), kind)


def shadow_of(lab: NovaLab, folder: Path, interval: float) -> Shadow:
    return Shadow(
        store=f"{lab.url}?rpc_response_timeout={interval}",
        trace_dir=str(folder),
        interval=interval,
        service_down_time=4 * interval,
        sweep_period=interval / 4,
    )


@pytest.mark.time_limit(120)  # a death of a nova-compute that is watched
def test_a_host_that_dies_is_recorded_and_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    interval, muted, folder = allowed_now(1.0), set[str](), tmp_path / "trace"
    with MariaDb(**MariaDb.cheap) as server, nova_lab(server) as lab:
        lab.come(HOSTS)
        lab.come(["c1"], "conductor")
        with reporting(lab, interval, muted, NOW), shadow_of(lab, folder, interval) as shadow:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            muted |= {HOSTS[7]}
            patience = Patience(PATIENCE)
            while not [line for line in shadow.lines(VerdictChange) if line.state == "down"]:
                assert not patience.is_over, shadow.log
                time.sleep(0.05)
            shadow.stop()
            [number] = [line.id for line in shadow.lines(TraceMember) if line.name == HOSTS[7]]
            dead = [line for line in shadow.lines(RuleChange) if line.id == number]
            assert dead[-1].alive == 0
            assert number in {line.id for line in shadow.lines(StillSilent)}
            assert "recorded; musterd report" in shadow.log
            assert [file.name[-3:] for file in folder.iterdir()] == [".gz"]


def test_it_ends_when_its_time_is_over_and_says_what_it_did(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "musterd", "shadow", "--for", "0.5", "--anonymous"]
    nova = ["--nova", "nova+mysql://eye@127.0.0.1:1/nova_api", "--trace-dir", "trace"]
    done = subprocess.run(
        [*command, *nova], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "nobody is answered" in done.stdout
    assert f"recording in {tmp_path}/trace, without names, at most 256 MB" in done.stdout
    assert done.stdout.endswith("tells what came of it\n")
