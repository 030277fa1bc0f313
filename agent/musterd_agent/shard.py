"""One shard as this agent process meets it: the connection, and whether beats get through."""

from collections.abc import Callable
from contextlib import suppress

import structlog
from anyio import current_time

from musterd.errors import StoreError
from musterd.stores.base import ShardWriter

log = structlog.get_logger(__name__)


class Shard:
    """A shard that members of this process beat to, all over one writer.

    It is lost while any of these members fails to get its beats through.
    """

    def __init__(self, writer: ShardWriter, changed: Callable[[], None] = lambda: None) -> None:
        self.writer = writer
        self.name = writer.name
        self.reached = False
        self.reason = ""
        self._changed = changed
        self._failing: set[str] = set()
        self._lost_at = 0.0
        self._missed = 0

    @property
    def is_lost(self) -> bool:
        """Whether the last push of some member failed."""
        return bool(self._failing)

    def took(self, member: str) -> None:
        """A beat of ``member`` got through."""
        if not self._failing and self.reached:
            return
        self.reached = True
        if member in self._failing:
            self._failing.remove(member)
            if not self._failing:
                self._back()
        self._changed()

    def failed(self, member: str, reason: str) -> None:
        """A beat of ``member`` did not get through."""
        self._missed += 1
        if not self._failing:
            self._lost_at = current_time()
            say(log.warning, "shard lost", shard=self.name, reason=reason)
        self._failing.add(member)
        if reason != self.reason:
            self.reason = reason
            self._changed()

    def _back(self) -> None:
        seconds = round(current_time() - self._lost_at, 1)
        say(log.info, "shard back", shard=self.name, seconds=seconds, beats_missed=self._missed)
        self._missed = 0
        self.reason = ""


def say(speak: Callable[..., object], event: str, **facts: object) -> None:
    """Log; a log that cannot be written (full disk, closed pipe) must not stop a beat."""
    with suppress(OSError, ValueError):
        speak(event, **facts)


def reason_of(error: BaseException) -> str:
    """Why a push failed, in one line that holds no secret.

    Only a StoreError's text was written to be read; of any other error, only what and where.
    """
    if isinstance(error, StoreError):
        return error.reason
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"unexpected {type(error).__name__}{place}"
