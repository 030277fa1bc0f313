"""An agent writes its metrics into a file, for node_exporter's textfile collector: it opens no port."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from musterd.about import version
from musterd.agentfile import PERIOD
from musterd.exposition import text_of
from musterd.logger import get_logger
from musterd_agent.metrics import AgentFigures, families
from musterd_agent.shard import say

log = get_logger(__name__)

_FIRST_BEATS = 1.0  # seconds
_EVERYBODY = 0o644  # what collects it is another user, and it holds no secret


class MetricsFile:
    """A ``MetricsFile`` is written anew every ``period`` seconds.

    A disk that is full, or hangs, delays no beat: it is waited for in a thread, which nobody waits
    for. That it cannot be written is logged once, until it can be again.
    """

    def __init__(
        self, path: Path, figures: Callable[[], AgentFigures], *, period: float = PERIOD
    ) -> None:
        self._path = path
        self._figures = figures
        self._version = version()
        self._period = period
        self._failing = ""

    async def run(self) -> None:
        """Write until cancelled; a second after the start, when first beats are through."""
        await anyio.sleep(min(_FIRST_BEATS, self._period))
        while True:
            await self.write()
            await anyio.sleep(self._period)

    async def write(self) -> None:
        """Write once; a failure is logged."""
        figures = self._figures()
        try:
            await anyio.to_thread.run_sync(
                lambda: replace_text(self._path, text_of(families(figures, self._version))),
                abandon_on_cancel=True,
            )
        except OSError as error:
            self._note(error.strerror or type(error).__name__)
        else:
            self._note("")

    def remove(self) -> None:
        """Remove the file: whoever left is not to be seen as it was."""
        with suppress(OSError):
            self._path.unlink()

    def _note(self, failing: str) -> None:
        if failing and failing != self._failing:
            say(log.warning, "metrics file not written", file=str(self._path), reason=failing)
        elif self._failing and not failing:
            say(log.info, "metrics file written again", file=str(self._path))
        self._failing = failing


def replace_text(path: Path, text: str) -> None:
    """Put ``text`` into the file in one step, so that nobody reads half of it. Raises OSError.

    It is written beside it first, under a name that does not end in ``.prom``.
    """
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        new.write_text(text, encoding="utf-8")
        new.chmod(_EVERYBODY)
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink()
        raise
