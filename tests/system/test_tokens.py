"""Tokens end to end: made before the first start, asked for by real daemons, and shown by none."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from musterd.client import Client
from musterd.errors import AccessDenied
from musterd.model import FactsChange, State
from musterd.testing.busy import Patience
from musterd.testing.daemons import PATIENCE, Agent, Coordinator, Watch, all_in
from musterd.testing.servers import Database, Memcached

TOKEN = re.compile(r"mt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


class Operator:
    """Runs `musterd token`, and remembers every token that it was given."""

    def __init__(self, registry: str) -> None:
        self._registry = registry
        self.seen: list[str] = []
        self.said = ""

    def token(self, *argv: str, token: str = "", coordinator: str = "") -> str:
        where = ["--coordinator", coordinator] if coordinator else []
        environ = {"MUSTERD_REGISTRY": self._registry} | ({"MUSTERD_TOKEN": token} if token else {})
        done = subprocess.run(
            [sys.executable, "-m", "musterd", "token", *argv, *where],
            capture_output=True,
            text=True,
            env=environ,
            check=False,
        )
        self.said += done.stderr
        assert done.returncode == 0, done.stderr
        if argv[0] != "create":
            return done.stdout
        made = done.stdout.strip()
        assert TOKEN.fullmatch(made)
        self.seen.append(made)
        return made


def denied(client: Client) -> bool:
    try:
        client.status()
    except AccessDenied:
        return True
    return False


def until_denied(client: Client) -> float:
    """How many seconds it took."""
    patience, began = Patience(PATIENCE), time.monotonic()
    while not denied(client):
        assert not patience.is_over
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.mark.time_limit(90)  # three daemons, and the command line half a dozen times
def test_two_coordinators_on_one_registry_ask_for_the_same_tokens(
    memcached: Memcached, database: Database
) -> None:
    operator = Operator(database.dsn)
    admin = operator.token("create", "--name", "root", "--role", "admin")
    one = Coordinator(memcached.url, registry=database.dsn)
    two = Coordinator(memcached.url, registry=database.dsn)
    with one, two, Agent(memcached.url, "h1"):
        assert denied(one.client)
        assert denied(two.client)
        url = f"http://{one.address}"
        night = operator.token(
            *("create", "--name", "night", "--role", "operator"), token=admin, coordinator=url
        )
        one.client.close()
        one.client = Client(url, token=night)
        Watch(one).until(all_in(State.UP, "h1"), "h1 up")
        one.client.change_facts("compute", "h1", FactsChange(disabled=True, reason="disk"))
        there = Client(f"http://{two.address}", token=night)
        patience = Patience(PATIENCE)
        while denied(there):
            assert not patience.is_over
            time.sleep(0.05)
        [line] = [each for each in one.client.history("compute", "h1").changes if each.actor]
        assert (line.actor, line.address, len(line.request)) == ("night", "127.0.0.1", 16)
        operator.token("revoke", "night")  # in the registry itself
        for client in (there, one.client):
            until_denied(client)
        assert "revoked" in operator.token("list", token=admin, coordinator=url)
        there.close()
        nothing_shows(operator, one, two)


def nothing_shows(operator: Operator, *coordinators: Coordinator) -> None:
    """No secret is in what a coordinator or a command said."""
    for secret in (token[12:] for token in operator.seen):
        assert secret not in operator.said
        for each in coordinators:
            assert secret not in each.log
            assert '"actor"' in each.log or "request refused" in each.log


@pytest.mark.time_limit(60)  # a coordinator, and the command line some times
def test_a_coordinator_that_has_its_file_alone_makes_tokens_over_http(
    memcached: Memcached, tmp_path: Path
) -> None:
    file = tmp_path / "musterd.db"
    operator = Operator(f"sqlite:///{file}")
    coordinator = Coordinator(memcached.url, registry=f"sqlite:///{file}")
    with coordinator:
        url = f"http://{coordinator.address}"
        assert not denied(coordinator.client)  # nothing is asked until there is a token
        admin = operator.token("create", "--name", "root", "--role", "admin", coordinator=url)
        assert denied(coordinator.client)
        reader = operator.token(
            *("create", "--name", "ci", "--role", "reader"), token=admin, coordinator=url
        )
        with Client(url, token=reader) as client:
            assert client.groups().groups == []
        argv = Path(f"/proc/{coordinator.pid}/cmdline").read_bytes()
        assert all(token[12:].encode() not in argv for token in operator.seen)
        nothing_shows(operator, coordinator)
    assert "root" in operator.token("list")  # the file is free
    assert all(token[12:].encode() not in file.read_bytes() for token in operator.seen)
