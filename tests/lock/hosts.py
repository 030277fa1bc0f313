"""Hosts made of namespaces: each has its own network, processes, name and files over those of this machine.

What they lack is systemd and sshd: `systemctl`, `ssh` and `scp` are stand-ins, of which `systemctl` reads the
units as they are. All of it is gone with the process that made it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("control1", "control2", "compute1", "compute2")
BEGIN = """
set -e
hostname {name}
cd {root}
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs run run
install -d -o postgres run/postgresql
install -d -o memcache run/memcached
exec chroot . bash -c 'echo ready; exec sleep infinity'
"""
FAILED, OVER = "=== failed:", "=== over"
CLUSTER = """
cluster="$(ls /usr/lib/postgresql | tail -n 1) main"
rm -rf /etc/postgresql/* /var/lib/postgresql/*
pg_createcluster $cluster
pg_ctlcluster $cluster start
"""
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root")
STAND_INS = {
    "systemctl": f'exec {sys.executable} -P {Path(__file__).with_name("systemctl.py")} "$@"',
    "ssh": 'host=$1; shift; exec chroot /hosts/$host "$@"',
    "scp": 'for last; do :; done; exec cp "${@:1:$#-1}" "/hosts/${last/:/}"',
    "musterd": f'exec {Path(sys.executable).with_name("musterd")} "$@"',
}


def run(*command: object) -> str:
    """Run a command, and return what it printed."""
    words = [str(word) for word in command]
    return subprocess.run(words, check=True, text=True, capture_output=True).stdout


class Host:
    """A `Host` runs what its root copies into one shell."""

    def __init__(self, name: str, number: int, folder: Path) -> None:
        self.name = name
        self._root = folder / name / "root"
        self._prepare(folder)
        words = ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child"]
        self._life = subprocess.Popen(
            [*words, "bash", "-c", BEGIN.format(name=name, root=self._root)], stdout=subprocess.PIPE
        )
        assert self._life.stdout
        assert self._life.stdout.readline() == b"ready\n"
        children = Path(f"/proc/{self._life.pid}/task/{self._life.pid}/children")
        self._pid = children.read_text().strip()
        self._enter = f"nsenter -t {self._pid} -m -u -n -p -r -w".split()
        self._connect(number)
        self._shell = subprocess.Popen(
            [*self._enter, "env", "-i", *ENVIRONMENT, "bash"],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.run(f"trap 'echo {FAILED} $BASH_COMMAND' ERR")
        if name == "control1":  # as Debian's package makes it
            self.run(CLUSTER)

    def run(self, text: str) -> list[str]:
        """Run what is copied into the one shell of this host, and return the lines that it printed."""
        (self._root / "block").write_text(text)
        assert self._shell.stdin
        assert self._shell.stdout
        self._shell.stdin.write(f". /block </dev/null\nprintf '\\n{OVER}\\n'\n")
        self._shell.stdin.flush()
        lines = list[str]()
        while (line := self._shell.stdout.readline()) != f"{OVER}\n":
            if not line:
                raise SystemExit("\n".join([f"the shell of {self.name} ended", *lines]))
            lines.append(line.rstrip("\n"))
        return lines[: len(lines) - (not lines[-1])]

    def _prepare(self, folder: Path) -> None:
        root = self._root
        names = [f"192.0.2.{number} {name}" for number, name in enumerate(NAMES, 1)]
        (root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *names, ""]))
        for name, text in STAND_INS.items():
            place = root / "usr/local/bin" / name
            place.unlink(missing_ok=True)
            place.write_text(f"#!/bin/bash\n{text}\n")
            place.chmod(0o755)
        for parent in [*Path(sys.executable).parents, *Path(sys.executable).resolve().parents]:
            open_up(root / parent.relative_to("/"))
        shutil.rmtree(root / "etc/musterd", ignore_errors=True)
        for unit in (ROOT / "deploy").glob("*.service"):
            shutil.copy(unit, root / "etc/systemd/system")
        for other in NAMES:
            (root / "hosts" / other).mkdir(parents=True)
            run("mount", "--bind", folder / other / "root", root / "hosts" / other)

    def _connect(self, number: int) -> None:
        port = f"port{number}"
        run(*f"ip link add {port} type veth peer name eth0 netns {self._pid}".split())
        run(*f"ip link set {port} master lan up".split())
        for words in (
            f"addr add 192.0.2.{number}/24 dev eth0",
            "link set eth0 up",
            "link set lo up",
        ):
            run(*self._enter, "ip", *words.split())


def open_up(folder: Path) -> None:
    """Let users of a unit through to Python and the checkout, as they would be in /opt."""
    folder.chmod(folder.stat().st_mode | 0o011)


def lay_root(own: Path) -> None:
    """Lay files of a host's own over those of this machine."""
    for part in ("root", "upper", "work"):
        (own / part).mkdir(parents=True)
    layers = f"lowerdir=/,upperdir={own}/upper,workdir={own}/work"
    run("mount", "-t", "overlay", "overlay", "-o", layers, own / "root")


def all_hosts() -> dict[str, Host]:
    """Return the hosts of the page, on one network."""
    folder = Path("/mnt/lock-it")
    folder.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "lock-it", folder)
    run("ip", "link", "add", "lan", "type", "bridge")
    run("ip", "link", "set", "lan", "up")
    for name in NAMES:
        lay_root(folder / name)
    return {name: Host(name, number, folder) for number, name in enumerate(NAMES, 1)}
