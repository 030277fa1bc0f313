"""When beats of one member got through, seen in the store: a machine without free CPU silences agents."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from musterd.beat import unpack
from musterd.model import Member
from musterd.stores.slots.protocol import Keys, read_slots
from musterd.testing.servers import Memcached
from tests.faults.lab import SERVICE_DOWN_TIME, Lab
from tests.faults.locks import GROUP

KEYS = Keys("musterd")
LOOK = 0.05  # seconds from one look into the store to the next


class Trail(threading.Thread):
    """A `Trail` follows the beats of ``name`` in a memcached; ``longest`` is between two, in seconds."""

    def __init__(self, server: Memcached, name: str) -> None:
        super().__init__(daemon=True)
        self.longest = 0.0
        self._socket = server.connect(timeout=30.0)
        self._index = KEYS.index(KEYS.identity(Member(GROUP, name)))
        self._over = threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        last, since = None, time.monotonic()
        while not self._over.wait(LOOK):
            beat = self._beat()
            self.longest = max(self.longest, time.monotonic() - since)
            if beat != last:
                last, since = beat, time.monotonic()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self.join()
        self._socket.close()

    def _beat(self) -> tuple[int, int] | None:
        slots = read_slots(self._get(self._index))
        record = self._get(KEYS.beat(slots[0])) if slots else b""
        if not record:
            return None
        beat = unpack(record)
        return beat.incarnation, beat.sequence

    def _get(self, key: bytes) -> bytes:
        self._socket.sendall(b"get %b\r\n" % key)
        reply = b""
        while not reply.endswith(b"END\r\n"):
            reply += self._socket.recv(4096)
        _, _, value = reply.removesuffix(b"\r\nEND\r\n").partition(b"\r\n")
        return value


@contextmanager
def unless_silent(lab: Lab, server: Memcached, name: str) -> Iterator[None]:
    """Let ``name`` be called down where no beat of it got through for the down time: it was silent."""
    trail = Trail(server, name)
    trail.start()
    try:
        yield
    finally:
        trail.stop()
    if trail.longest > SERVICE_DOWN_TIME - 10 * LOOK:
        lab.mortal.add(name)
