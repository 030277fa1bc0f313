"""The module reads the one line that a server answers to user and password."""

from musterd.errors import ShardCorrupt, ShardRefused
from musterd.stores.memcached.connection import LINE_LIMIT, refusal, shown

_WELCOME = b"STORED\r\n"


class LoginReply:
    """A `LoginReply` is a :class:`~musterd_coordinator.sweep.memcached.values.BulkReply`."""

    def __init__(self, shard: str) -> None:
        self._shard = shard
        self.oversized: list[bytes] = []

    def parse(self, buffer: memoryview) -> tuple[int, bool]:
        """Read the line; raise ShardRefused where it refuses, and ShardCorrupt for any other."""
        line, end, _ = bytes(buffer[:LINE_LIMIT]).partition(b"\n")
        if not end and len(line) < LINE_LIMIT:
            return 0, False
        if line + end != _WELCOME:
            if text := refusal(line):
                raise ShardRefused(self._shard, text)
            raise ShardCorrupt(self._shard, f"reply is not memcached's: {shown(line)!r}")
        return len(_WELCOME), True
