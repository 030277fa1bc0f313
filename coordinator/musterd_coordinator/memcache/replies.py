"""The module keeps one conversation's replies in the order of its commands; some are not known yet."""

from musterd_coordinator.memcache.commands import PendingReply

QUEUE_LIMIT = 1 << 18  # bytes that wait on one connection; then no further command is looked at


class Replies(list[bytes | PendingReply]):
    """These are what a client will be told, from the first thing on that is not known.

    ``size`` is how many bytes are held for it.
    """

    __slots__ = ("size",)

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def add(self, part: bytes | PendingReply) -> None:
        """Add what comes after all that is here."""
        self.append(part)
        self.size += len(part) if isinstance(part, bytes) else part.size

    def next(self) -> bytes | None:
        """Remove and return the first one; None: it is not known yet, or there is none."""
        if not self:
            return None
        part = self[0]
        if isinstance(part, bytes):
            self.size -= len(part)
            del self[0]
            return part
        if part.outcome is None:
            return None
        self.size -= part.size
        del self[0]
        return part.outcome + b"\r\n"

    @property
    def is_blocked(self) -> bool:
        """Say whether no further command may be looked at before more is known."""
        if not self:
            return False
        last = self[-1]
        return self.size > QUEUE_LIMIT or (isinstance(last, PendingReply) and not last.lets_pass)

    def abandon(self) -> None:
        """Note that the client is gone: whatever it still waits for need not be done."""
        for part in self:
            if isinstance(part, PendingReply):
                part.abandoned = True
