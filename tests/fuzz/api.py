"""Requests that the description of the API allows, and some that it does not, to a real coordinator.

python -m tests.fuzz.api [--seed N, or anything else that schemathesis run takes]

schemathesis makes them out of /openapi.json; exit status 1 when an answer is not what that says.
"""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from musterd.errors import MusterdError
from musterd.model import State
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
        program = Path(sys.executable).with_name("schemathesis")
        command = [
            *(str(program), "run", f"{url}/openapi.json", "--url", url),
            *("--exclude-path", EVENTS, "--max-examples", str(EXAMPLES), "--workers", "1"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--request-timeout", "10", "--no-color"),
            *sys.argv[1:],
        ]
        status = subprocess.run(command, check=False).returncode
        return status or ("Traceback" in coordinator.log)


def wait_for(coordinator: Coordinator) -> None:
    """Until everybody is up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if coordinator.client.status().states.get(State.UP) == len(NAMES):
                return
        except MusterdError:
            pass
        assert time.monotonic() < deadline, "the fleet does not come up"
        time.sleep(0.1)


if __name__ == "__main__":
    raise SystemExit(main())
