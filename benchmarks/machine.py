"""The module says what a benchmark ran on: without that its figures mean nothing to others."""

import os
import platform
import shlex
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from musterd.testing.processes import ServerError, find_program

SERVERS = {
    "memcached": ("memcached", "memcached", "-V"),
    "PostgreSQL": ("initdb", "postgresql", "-V"),
    "MariaDB": ("mariadbd", "mariadb-server", "--version"),
    "PgBouncer": ("pgbouncer", "pgbouncer", "-V"),
}


def describe() -> dict[str, str]:
    """Describe the machine, Python and the servers, for people; name no path and no host."""
    return {
        "CPU": _cpu(Path("/proc/cpuinfo").read_text()),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": _memory(Path("/proc/meminfo").read_text()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, {_build()}",
        **{name: _version(*how) for name, how in SERVERS.items()},
    }


def _cpu(cpuinfo: str) -> str:
    facts = _facts(cpuinfo)
    model = facts.get("model name", platform.machine())
    return model + (" (virtual machine)" if "hypervisor" in facts.get("flags", "").split() else "")


def _memory(meminfo: str) -> str:
    kilobytes = int(_facts(meminfo)["MemTotal"].split()[0])
    return f"{kilobytes / 1e6:.1f} GB"


def _facts(text: str) -> Mapping[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _build() -> str:
    """Say how this Python was compiled; distributions optimise theirs without saying so here."""
    if sys.base_prefix == "/usr":
        return f"the system's own ({platform.python_compiler()})"
    asked = shlex.split(sysconfig.get_config_var("CONFIG_ARGS") or "")
    optimised = "with" if "--enable-optimizations" in asked else "without"
    return f"built {optimised} profile-guided optimisation ({platform.python_compiler()})"


def _version(program: str, package: str, option: str) -> str:
    try:
        command = [str(find_program(program, package)), option]
    except ServerError:
        return "not installed"
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    first_line = printed.stdout.splitlines()[0]
    return next(word for word in first_line.split() if word[0].isdigit())
