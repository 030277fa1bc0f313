"""A ``BeatTarget`` is a shard as this process meets it: its connection, and what gets through."""

from collections.abc import Callable
from contextlib import suppress

from anyio import current_time

from musterd.errors import StoreError
from musterd.logger import get_logger
from musterd.stores.base import ShardWriter
from musterd_agent.renewal import Renewal

log = get_logger(__name__)


class BeatTarget:
    """A ``BeatTarget`` is a shard that members of this process beat to, all over one writer.

    It is lost from the first push that fails until the beats of all of them get through again;
    ``reason`` is why the last one failed.
    """

    def __init__(
        self,
        writer: ShardWriter,
        changed: Callable[[], None] = lambda: None,
        renewal: Renewal | None = None,
    ) -> None:
        self.writer = writer
        self.renewal = renewal
        self.name = writer.name
        self.reason = ""
        self._changed = changed
        self._not_through: set[str] = set()
        self._lost_at: float | None = None
        self._missed = 0

    @property
    def is_beating(self) -> bool:
        """Say whether the last push of every member got through."""
        return not self._not_through

    @property
    def is_lost(self) -> bool:
        """Say whether a push failed and not all members are through again."""
        return self._lost_at is not None

    def expect(self, member: str) -> None:
        """Expect ``member`` to beat to this shard."""
        self._not_through.add(member)

    async def renew(self) -> None:
        """Go to the shard anew, and say if that is somewhere else. Raises what its driver does."""
        address = await self.writer.renew()
        if address:
            say(log.info, "shard moved", shard=self.name, address=address)

    def took(self, member: str) -> None:
        """Note that a beat of ``member`` got through."""
        if member not in self._not_through:
            return
        self._not_through.remove(member)
        if not self._not_through:
            if self._lost_at is not None:
                self._back(current_time() - self._lost_at)
            self._changed()

    def failed(self, member: str, reason: str) -> None:
        """Note that a beat of ``member`` did not get through."""
        self._not_through.add(member)
        self._missed += 1
        if self._lost_at is None:
            self._lost_at = current_time()
            say(log.warning, "shard lost", shard=self.name, reason=reason)
        if reason != self.reason:
            self.reason = reason
            self._changed()

    def _back(self, seconds: float) -> None:
        say(
            log.info,
            "shard back",
            shard=self.name,
            seconds=round(seconds, 1),
            beats_missed=self._missed,
        )
        self._lost_at = None
        self._missed = 0
        self.reason = ""


def say(speak: Callable[..., object], event: str, **facts: object) -> None:
    """Log; a log that cannot be written (full disk, closed pipe) must not stop a beat."""
    with suppress(OSError, ValueError):
        speak(event, **facts)


def reason_of(error: BaseException) -> str:
    """Say why a push failed, in one line that holds no secret.

    Only a StoreError's text was written to be read; of any other error it says only what and where.
    """
    if isinstance(error, StoreError):
        return error.reason
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"unexpected {type(error).__name__}{place}"
