"""A coordinator's real HTTP API over a desk of known answers, for commands that ask it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal

from musterd.model import Member, State
from musterd_coordinator.http.app import make_app
from musterd_coordinator.http.server import serve_http
from musterd_coordinator.service.access import Access
from tests.http_desk import DictDesk


class Coordinator:
    """A desk, and the URL at which it answers."""

    def __init__(self, portal: BlockingPortal, desk: DictDesk, url: str) -> None:
        self._portal, self.desk, self.url = portal, desk, url

    def do(self, change: Callable[..., Any], *args: Any, **named: Any) -> None:
        """Let the desk's own thread change it."""
        self._portal.call(partial(change, *args, **named))


def a_desk() -> DictDesk:
    desk = DictDesk()
    desk.put(*(Member("compute", f"h{n:04}", zone=f"r{n % 2}") for n in range(1005)))
    desk.put(Member("compute", "dead", zone="r9", owner="us"), state=State.DOWN, reason="silent")
    desk.put(Member("compute", "new", metadata={"cpu": "epyc"}), state=State.UNKNOWN)
    desk.put(Member("storage", "s1"), state=State.SUSPECT, reason="mass silence")
    return desk


async def serve(
    desk: DictDesk, access: Access | None = None, *, task_status: TaskStatus[str]
) -> None:
    async with anyio.create_task_group() as tasks:
        (url,) = await tasks.start(serve_http, make_app(desk, access), "127.0.0.1:0")
        task_status.started(url)
        await anyio.sleep_forever()


NOBODY = "http://127.0.0.1:1"
Run = Callable[..., tuple[int, str, str]]
