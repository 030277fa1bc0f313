"""Files that are renewed are taken without a restart: by looking, and when told to.

What is made of them is made whole and then replaces what was made before. So files that do not fit
together, as in the middle of a renewal, change nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import anyio

from musterd.errors import ConfigError
from musterd.logger import get_logger

log = get_logger(__name__)

LOOK_EVERY = 2.0
"""Seconds from one look at the files to the next."""

WARN_EVERY = 86400.0
"""Seconds from one warning of what is doubtful about files to the next."""

Made = TypeVar("Made")


class Renewable(Generic[Made]):
    """A ``Renewable`` is what was made of the files at ``paths``, and is made anew when they changed.

    ``make`` raises ConfigError, in clear words, for files that cannot be used: at first that is for
    the caller, and later what was made before stays, and the log says why. ``take`` is given what is
    made later. Logs call it ``called``.
    """

    def __init__(
        self,
        called: str,
        paths: Iterable[str],
        make: Callable[[], Made],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.paths: Sequence[str] = tuple(paths)
        self._renewed, self._refused = f"{called} renewed", f"renewed {called} refused"
        self._make = make
        self.take: Callable[[Made], None] = lambda made: None
        self._clock = clock
        self._made: Made | None = None
        self._stamp: object = None
        self._failed: object = None
        self._told: object = None
        self._looked = 0.0

    def current(self) -> Made:
        """Return what was made last; make it, or look at the files, if that is due."""
        if self._made is None:
            self._looked, self._stamp = self._clock(), _stamp(self.paths)
            self._made = self._make()
            self.warn()
        elif self._clock() - self._looked >= LOOK_EVERY:
            self.look()
        return self._made

    def look(self, *, patient: bool = True) -> None:
        """Take the files if they changed.

        Files that cannot be used may be half of a renewal: where ``patient`` the log speaks of them
        when they still cannot at the next look.
        """
        self._looked, stamp = self._clock(), _stamp(self.paths)
        if stamp in (self._stamp, self._told):
            return
        try:
            made = self._made = self._make()
        except ConfigError as error:
            if not patient or stamp == self._failed:
                self._refuse(stamp, str(error))
            self._failed = stamp
            return
        self._stamp, self._told = stamp, None
        log.info(self._renewed, files=list(self.paths))
        self.take(made)
        self.warn()

    def warn(self) -> None:
        """Say in the log what is doubtful about the files."""

    def _refuse(self, stamp: object, reason: str) -> None:
        self._told = stamp
        log.error(self._refused, reason=reason, note="the one before is kept")


async def keep_looking(
    files: Renewable[Made], *, period: float = LOOK_EVERY, warn_every: float = WARN_EVERY
) -> None:
    """Take renewed ``files`` as they come, until cancelled."""
    warned = anyio.current_time()
    while True:
        await anyio.sleep(period)
        files.look()
        if anyio.current_time() - warned >= warn_every:
            warned = anyio.current_time()
            files.warn()


def _stamp(paths: Iterable[str]) -> tuple[object, ...]:
    return tuple(map(_mark, paths))


def _mark(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
