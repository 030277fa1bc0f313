"""What stands in for systemctl where there is no systemd: it starts what a unit says, as the unit says.

Of a unit it goes by ExecStart, Environment, EnvironmentFile, LoadCredential, DynamicUser, StateDirectory,
RuntimeDirectory, WorkingDirectory and Type=notify; nothing is started again, and nothing is confined.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

UNITS = (Path("/etc/systemd/system"), Path("/lib/systemd/system"))
STATE = Path("/run/stand-in")
USER = 61184  # the first that systemd takes for DynamicUser


def main(verb: str, *words: str) -> None:
    """Do what the real one would do."""
    now = "--now" in words
    for unit in (word.removesuffix(".service") for word in words if not word.startswith("-")):
        if unit == "postgresql":  # Debian's unit starts all clusters
            [folder] = Path("/etc/postgresql").glob("*/main")
            subprocess.run(["pg_ctlcluster", folder.parent.name, "main", verb], check=True)
        elif verb in {"stop", "kill"}:
            end(unit, signal.SIGKILL if verb == "kill" else signal.SIGTERM)
        elif verb in {"start", "restart"} or now:
            end(unit, signal.SIGTERM)
            start(unit)


def end(unit: str, by: signal.Signals) -> None:
    """End it, if it runs, and wait until it did."""
    pid = STATE / unit
    if not pid.exists():
        return
    number = int(pid.read_text())
    try:
        os.kill(number, by)
        while Path(f"/proc/{number}/stat").read_text().split(") ")[1][0] != "Z":
            time.sleep(0.05)
    except (ProcessLookupError, FileNotFoundError):
        pass
    pid.unlink()


def start(unit: str) -> None:
    """Start it, and wait until it is ready where it says so."""
    its = settings(unit)
    STATE.mkdir(exist_ok=True)
    owner = USER if "yes" in its.get("DynamicUser", []) else 0
    environment = dict(os.environ, PATH="/usr/local/bin:/usr/bin:/bin") | variables(unit, its)
    for key, parent in (("StateDirectory", "/var/lib"), ("RuntimeDirectory", "/run")):
        for name in its.get(key, []):
            own(Path(parent, name), owner)
    place = credentials(unit, its, owner)
    environment = {key: value.replace("%d", str(place)) for key, value in environment.items()}
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if "notify" in its.get("Type", []):
        address = STATE / f"{unit}.notify"
        address.unlink(missing_ok=True)
        ready.bind(str(address))
        address.chmod(0o777)
        environment["NOTIFY_SOCKET"] = str(address)
    with Path(f"/var/log/{unit}.stand-in").open("ab") as log:
        started = subprocess.Popen(
            shlex.split(its["ExecStart"][-1]), stdin=subprocess.DEVNULL, stdout=log, stderr=log, umask=0o077,
            env=environment, cwd=its.get("WorkingDirectory", ["/"])[-1], start_new_session=True,
            user=owner, group=owner, extra_groups=[],
        )  # fmt: skip
    (STATE / unit).write_text(str(started.pid))
    if "NOTIFY_SOCKET" in environment:
        wait_for(ready, started, unit)


def wait_for(ready: socket.socket, started: subprocess.Popen[bytes], unit: str) -> None:
    """Wait for READY=1.

    :raises SystemExit: it ended before.
    """
    ready.settimeout(0.2)
    while started.poll() is None:
        try:
            if b"READY=1" in ready.recv(4096):
                return
        except TimeoutError:
            continue
    sys.exit(
        f"{unit} ended with {started.returncode}: "
        + Path(f"/var/log/{unit}.stand-in").read_text()[-1500:]
    )


def settings(unit: str) -> dict[str, list[str]]:
    """Return what the unit and its drop-ins say, all values of each key."""
    found: dict[str, list[str]] = {}
    files = [folder / f"{unit}.service" for folder in UNITS]
    [file, *_] = [file for file in files if file.exists()]
    for text in (file, *sorted((UNITS[0] / f"{unit}.service.d").glob("*.conf"))):
        for line in text.read_text().splitlines():
            key, has_value, value = line.partition("=")
            if has_value and not line.startswith("#"):
                found.setdefault(key, []).append(value)
    return found


def variables(unit: str, its: dict[str, list[str]]) -> dict[str, str]:
    """Return the variables that it is started with."""
    words = [word for line in its.get("Environment", []) for word in shlex.split(line)]
    for name in its.get("EnvironmentFile", []):
        file = Path(name.removeprefix("-"))
        if file.exists():
            words += [
                line for line in file.read_text().splitlines() if line and not line.startswith("#")
            ]
    return dict(word.split("=", 1) for word in words)


def credentials(unit: str, its: dict[str, list[str]], owner: int) -> Path:
    """Copy what only root may read for the unit's user."""
    place = Path("/run/credentials") / unit
    shutil.rmtree(place, ignore_errors=True)
    own(place, owner)
    for line in its.get("LoadCredential", []):
        name, _, source = line.partition(":")
        shutil.copy(source, place / name)
        own(place / name, owner)
    return place


def own(place: Path, owner: int) -> None:
    """Make a folder of that user, or give it a file."""
    if not place.exists():
        place.mkdir(parents=True)
    os.chown(place, owner, owner)
    place.chmod(0o700 if place.is_dir() else 0o400)


main(*sys.argv[1:])
