"""``musterd nova --check FILE`` says what in a nova.conf would bite, and asks the door how it is."""

import socket
import ssl
from argparse import Namespace
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from musterd.cli.arguments import settings_of
from musterd.settings.declared.door import LISTEN
from musterd.settings.novacache import DoorFacts, Finding, Severity, findings
from musterd.settings.novafile import read_with_others
from musterd.settings.settings import Settings
from musterd.tls import own_tls
from musterd.urls import host_and_port

TIMEOUT = 5.0
"""Seconds for the door to answer."""

_LONGEST = 1 << 16  # bytes of its answer
_END = b"END\r\n"


def check(args: Namespace, file: Path) -> int:
    """Print what is found; return 1 where something bites, and 0 otherwise."""
    settings = settings_of(args).settings
    host, port = host_and_port(settings.nova_listen or LISTEN)
    door = DoorFacts(host, port, settings.nova_tls)
    found = [*findings(read_with_others(file), door), *_asked(settings, door)]
    for one in found:
        print(f"{one.severity}: {one.option} {one.text}")
    bites = any(one.severity is Severity.BITES for one in found)
    if not bites:
        print(f"Nova asks the door at {host}:{port}: nothing in {file} bites")
    return int(bites)


def _asked(settings: Settings, door: DoorFacts) -> Iterator[Finding]:
    where = f"the door at {door.host}:{door.port}"
    try:
        facts = _facts(settings, door)
    except (OSError, ssl.SSLError) as error:
        reason = (error.strerror or str(error)).lower()
        yield Finding(Severity.BITES, where, f"does not answer ({reason}); start musterd nova")
        return
    if "members" not in facts:
        yield Finding(Severity.BITES, where, "is none of musterd's: another server listens there")
        return
    if facts["listening"] != "1":
        yield Finding(Severity.MIND, where, f"answers by its last view; {facts['origin']}")
    text = f"answers for {facts['members']} members and {facts['writers']} services that write themselves"
    yield Finding(Severity.MIND, where, f"{text}: hosts that are not among them are down to Nova")


def _facts(settings: Settings, door: DoorFacts) -> dict[str, str]:
    connection = socket.create_connection((door.host, door.port), TIMEOUT)
    with closing(connection) as plain, closing(_secured(settings, door, plain)) as asked:
        asked.sendall(b"stats musterd\r\n")
        said = b""
        while not said.endswith((_END, b"ERROR\r\n")) and len(said) < _LONGEST:
            more = asked.recv(_LONGEST)
            if not more:
                break
            said += more
    lines = (line.split(" ", 2) for line in said.decode("utf-8", "replace").splitlines())
    return {line[1]: line[2] for line in lines if len(line) > 2 and line[0] == "STAT"}


def _secured(settings: Settings, door: DoorFacts, plain: socket.socket) -> socket.socket:
    return own_tls(settings).context().wrap_socket(plain) if door.tls else plain
