"""The module runs a real coordinator process over the store of a benchmark."""

import http.client
import time

import anyio
import anyio.to_thread

from musterd.model import State
from musterd.testing.daemons import Coordinator

PATIENCE = 600.0  # a million that sign, on a busy machine
POLL = 0.02
SELDOM = 0.2


def coordinator(url: str, sweep_period: float = 1.0) -> Coordinator:
    """Return a coordinator with users' settings: a sweep a second, down after a minute."""
    return Coordinator(url, sweep_period=sweep_period, service_down_time=60.0, log_level="error")


async def start(process: Coordinator) -> float:
    """Start it, wait until it is ready to answer for all members, and return the seconds that took.

    The loop goes on meanwhile, so that the members of a fleet can go on beating. Raises
    TimeoutError.
    """
    return await anyio.to_thread.run_sync(_start, process)


async def all_up(process: Coordinator, members: int) -> None:
    """Wait until every member has beaten once. Raises TimeoutError."""
    with anyio.fail_after(PATIENCE):
        while True:
            groups = (await anyio.to_thread.run_sync(process.client.groups)).groups
            if sum(group.states[State.UP] for group in groups) == members:
                return
            await anyio.sleep(SELDOM)


async def all_saved(process: Coordinator) -> None:
    """Wait until its registry has all that it knows. Raises TimeoutError."""
    with anyio.fail_after(PATIENCE):
        while True:
            if not (await anyio.to_thread.run_sync(process.client.status)).unsaved:
                return
            await anyio.sleep(SELDOM)


def _start(process: Coordinator) -> float:
    began = time.monotonic()
    process.start()
    while not is_ready(process.host, process.port):
        if time.monotonic() - began > PATIENCE:
            raise TimeoutError(f"the coordinator is not ready after {PATIENCE:g} s")
        time.sleep(POLL)
    return time.monotonic() - began


def is_ready(host: str, port: int) -> bool:
    """Say whether ``/readyz`` answers 200."""
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    finally:
        connection.close()
