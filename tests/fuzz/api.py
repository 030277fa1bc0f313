"""Requests that the description of the API allows, and some that it does not, to a real coordinator.

python -m tests.fuzz.api [--seed N, or anything else that schemathesis run takes]

schemathesis makes them out of /openapi.json, and sends them with a token and without; exit status 1
when an answer is not what that says, or somebody without a token is told anything.
"""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from musterd.errors import MusterdError
from musterd.model import State
from musterd.testing.busy import Patience
from musterd.testing.daemons import Agent, Coordinator
from musterd.testing.servers import Memcached
from musterd.tokens import Rank, TokenOrder

NAMES = ["h1", "h2", "h3"]
EXAMPLES = 60
EVENTS = "/v1/events"  # an answer that never ends


def main() -> int:
    """Start a small fleet, ask its coordinator everything; what schemathesis makes of it."""
    with ExitStack() as stack:
        store = stack.enter_context(Memcached()).url
        coordinator = stack.enter_context(Coordinator(store))
        stack.enter_context(Agent(store, *NAMES))
        wait_for(coordinator)
        # Before it makes the first one itself: nothing would be answered after that.
        token = coordinator.client.create_token(TokenOrder("fuzz", Rank.ADMIN)).text
        url = f"http://{coordinator.address}"
        schema = coordinator.directory / "openapi.json"
        schema.write_bytes(description(coordinator, token))
        shown = ("--header", f"Authorization: Bearer {token}", "--exclude-path", EVENTS)
        status = schemathesis(schema, url, *shown)
        hooks = {"SCHEMATHESIS_HOOKS": "tests.fuzz.locked"}
        status = schemathesis(schema, url, "--checks", "locked", environ=hooks) or status
        return status or ("Traceback" in coordinator.log)


def description(coordinator: Coordinator, token: str) -> bytes:
    """Return what describes the API."""
    connection = http.client.HTTPConnection(coordinator.host, coordinator.port, timeout=10.0)
    try:
        headers = {"Authorization": f"Bearer {token}"}
        connection.request("GET", "/openapi.json", headers=headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def schemathesis(schema: Path, url: str, *options: str, environ: Mapping[str, str] = {}) -> int:
    """Ask everything that ``schema`` describes; return its exit status."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(schema), "--url", url),
        *("--max-examples", str(EXAMPLES), "--workers", "1", "--request-timeout", "10"),
        *("--no-color", *options, *sys.argv[1:]),
    ]
    return subprocess.run(command, check=False, env={**os.environ, **environ}).returncode


def wait_for(coordinator: Coordinator) -> None:
    """Until everybody is up."""
    patience = Patience(30.0)
    while True:
        try:
            if coordinator.client.status().states.get(State.UP) == len(NAMES):
                return
        except MusterdError:
            pass
        assert not patience.is_over, "the fleet does not come up"
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
