"""``musterd top`` shows the fleet as it is now: a verdict, incidents, zones and the last changes."""

import os
import signal
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from musterd.cli import ask, render
from musterd.cli.arguments import Parser, group_name, settings_of
from musterd.cli.arguments import parser as new_parser
from musterd.errors import AccessDenied, ConfigError, CoordinatorUnreachable, MusterdError
from musterd.settings.login import token_of
from musterd.settings.options import Role

if TYPE_CHECKING:
    import anyio

    from musterd.cli.screen import Screen
    from musterd.cli.topframe import TopView
    from musterd.client.choice import Address
    from musterd.client.client import AsyncClient
    from musterd.model import Transition
    from musterd.tls import Tls

REDRAWN = 1.0
"""Seconds after which a frame is drawn again though nothing was said: ages grow."""

REST = 0.2
"""Seconds between two frames, at least."""

CHANGES = 40
CHANGES_REST = 2.0
"""Seconds between two questions for the last changes, which are asked for when something changed."""


def parser(name: str) -> Parser:
    """Return the command line of ``musterd top``."""
    made = new_parser(name, "musterd top compute", Role.READER)
    made.add_argument(
        "group_name", metavar="GROUP", nargs="?", type=group_name, help="only this group"
    )
    made.add_argument("--once", action="store_true", help="Print one frame, and end.")
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Draw until q is pressed, or once; return 0."""
    args = parser(name).parse(argv)
    if not args.once and not sys.stdout.isatty():
        raise ConfigError(
            "musterd top draws on a terminal, and this is none: --once prints a frame"
        )
    loaded = settings_of(args)
    urls, token = loaded.settings.coordinator, token_of(loaded)
    import anyio  # after a wrong configuration was refused: it is heavy

    from musterd.tls import client_tls

    files = {key: getattr(loaded.settings, key) for key in ("ca_file", "cert_file", "key_file")}

    async def draw() -> None:
        from musterd.client.client import AsyncClient

        async with AsyncClient(urls, ask.TIMEOUT, token=token, **files) as client:
            top = Top(urls, args.group_name, client, token, client_tls(loaded.settings))
            await (top.once() if args.once else top.run(sys.stdout, sys.stdin))

    try:
        anyio.run(draw)
    except ExceptionGroup as group:
        raise _first(group) from None
    return 0


class Top:
    """A ``Top`` follows one of several coordinators and draws what it says."""

    def __init__(
        self,
        urls: str,
        group: str | None,
        client: "AsyncClient",
        token: str | None = None,
        tls: "Tls | None" = None,
    ) -> None:
        import anyio

        from musterd.client.columnview import ColumnView
        from musterd.client.follow import Follower

        self._view = ColumnView(group)
        self._follower = Follower(urls, self._view, self, token=token, tls=tls)
        self._client = client
        self._group = group
        self._followed, self._problem = "", "not connected yet"
        self._lost: datetime | None = None
        self._changes: Sequence[Transition] = ()
        self._news = anyio.Event()
        self._changed = anyio.Event()

    def on_connect(self, address: "Address") -> None:
        """Note whom it follows."""
        self._followed, self._lost = str(address), None

    def on_update(self) -> None:
        """Note that something was said."""
        self._news.set()
        self._changed.set()

    def on_disconnect(self, address: "Address", error: MusterdError) -> None:
        """Note that nobody is followed. No token mends itself: that ends it."""
        if isinstance(error, AccessDenied):
            raise error
        if self._followed or self._lost is None:
            self._lost = render.now()
        self._followed, self._problem = "", f"{address}: {error}"
        self._news.set()

    def scene(self) -> "TopView":
        """Return what there is to draw."""
        from musterd.cli.topframe import TopView

        told = self._view.said
        return TopView(
            render.now(),
            self._followed,
            self._problem,
            self._lost,
            self._view.listening,
            self._follower.age if self._view.staleness is not None else None,
            None if told is None else ask.readable(told),
            [zone._replace(zone=_visible(zone.zone)) for zone in self._view.zones()],
            [ask.readable(change) for change in self._changes],
        )

    async def once(self) -> None:
        """Print one frame without controls; raise CoordinatorUnreachable where nobody answers."""
        import anyio

        from musterd.cli.screen import usual_size
        from musterd.cli.topframe import frame

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follower.run)
            with anyio.move_on_after(ask.TIMEOUT):
                while not (self._view.whole and self._followed):
                    await self._wait_for_news(REDRAWN)
            if not self._followed:
                raise CoordinatorUnreachable(self._problem)
            await self._ask_for_changes()
            lines = frame(self.scene(), *usual_size(), render.paint())[:-1]
            print("\n".join(lines).rstrip())
            tasks.cancel_scope.cancel()

    async def run(self, stream: TextIO, keys: TextIO) -> None:
        """Draw on ``stream`` until q comes from ``keys``, or a signal; both are then as they were."""
        import anyio

        from musterd.cli.screen import borrowed

        paint = render.paint(stream)
        with borrowed(stream, keys) as screen:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._follower.run)
                tasks.start_soon(self._keep_changes)
                tasks.start_soon(self._heed_signals, screen, tasks.cancel_scope)
                if screen.keys is not None:
                    tasks.start_soon(_heed_keys, screen.keys, tasks.cancel_scope)
                await self._draw_for_ever(screen, paint)

    async def _draw_for_ever(self, screen: "Screen", paint: render.Paint) -> None:
        import anyio

        from musterd.cli.topframe import frame

        while True:
            screen.show(frame(self.scene(), *screen.size, paint))
            await anyio.sleep(REST)
            await self._wait_for_news(REDRAWN - REST)

    async def _wait_for_news(self, longest: float) -> None:
        import anyio

        with anyio.move_on_after(longest):
            await self._news.wait()
        self._news = anyio.Event()

    async def _keep_changes(self) -> None:
        import anyio

        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self._ask_for_changes()
            self._news.set()
            await anyio.sleep(CHANGES_REST)

    async def _ask_for_changes(self) -> None:
        try:
            asked = self._client.changes(limit=CHANGES, group=self._group)
            self._changes = [change async for change in asked]
        except MusterdError:  # the next event asks again
            return

    async def _heed_signals(self, screen: "Screen", drawing: "anyio.CancelScope") -> None:
        import anyio

        asked = signal.SIGWINCH, signal.SIGCONT, signal.SIGTERM, signal.SIGHUP
        with anyio.open_signal_receiver(*asked) as signals:
            async for number in signals:
                if number in (signal.SIGTERM, signal.SIGHUP):
                    drawing.cancel()
                elif number == signal.SIGCONT:
                    screen.begin_anew()
                self._news.set()


async def _heed_keys(keys: int, drawing: "anyio.CancelScope") -> None:
    import anyio

    while True:
        await anyio.wait_readable(keys)
        pressed = os.read(keys, 100)
        if not pressed or b"q" in pressed.lower():
            drawing.cancel()


def _visible(text: str) -> str:
    from musterd.terminal import visible

    return visible(text)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
