"""The module writes the slot protocol in rows of bytes.

memcached, the embedded store and the relay speak it.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.fleet import ZONES, Seated, member
from benchmarks.load.schedule import Rows
from benchmarks.load.script import Look, Reply
from benchmarks.texts import Texts, decimal, hexadecimal, join
from musterd.beat import SIZE
from musterd.stores.slots.protocol import Keys, write_holder
from musterd_coordinator.sweep.columns import RECORD

_END = b"END\r\n"
_NAME, _ZONE = 8, 3  # digits


class KeyedScript:
    """A `KeyedScript` sends beats as ``replace``, and reads the slot's holder back every few beats.

    Agents read it by ``gets``; ``get`` costs a server the same and its answer has a fixed width. At
    every thirtieth beat they look at the slot counter too, which is left out here.
    """

    through = b"STORED\r\n"

    def __init__(self, keys: Keys, ttl: int, members: Seated) -> None:
        self._keys = keys
        self._numbers = members.fleet.number
        self._slots = members.slots.copy()
        head = b"replace " + self._keys.beat_prefix
        middle = b" 0 %d %d\r\n" % (ttl, SIZE)
        self.commands = np.zeros(
            len(self._slots),
            [
                *(("head", f"S{len(head)}"), ("slot", "u1", (8,)), ("middle", f"S{len(middle)}")),
                *(("record", RECORD), ("end", "S2")),
            ],
        )
        self.commands["head"], self.commands["middle"], self.commands["end"] = head, middle, b"\r\n"
        self.commands["slot"] = hexadecimal(self._slots, 8)
        self.commands["record"] = members.records

    def look(self, rows: Rows) -> Look:
        """Return a ``get`` of the holder of each slot of ``rows``."""
        key = join(self._keys.holder(0)[:-8], hexadecimal(self._slots[rows], 8))
        value = holders(self._numbers[rows])
        size = b" 0 %d\r\n" % value.shape[1]
        return Look(join(b"get ", key, b"\r\n"), join(b"VALUE ", key, size, value, b"\r\n", _END))

    def reply(self, data: bytes, looked: bool) -> Reply | None:
        """Read a reply: see :class:`benchmarks.load.script.Script`."""
        size = _look_size(data) if looked else data.find(b"\n") + 1
        if not size:
            return None
        word = data[:size].strip()
        lost = word.startswith((b"VALUE ", b"END")) if looked else word == b"NOT_STORED"
        return Reply(size, lost, "" if lost else word.decode("ascii", "replace")[:100])

    def move(self, row: int, slot: int) -> None:
        """Note that the member in ``row`` was given another slot."""
        self._slots[row] = slot
        self.commands["slot"][row] = np.frombuffer(b"%08x" % slot, np.uint8)


def _look_size(data: bytes) -> int:
    """Return the bytes of the answer to a look; 0 while it is not whole."""
    if not data.startswith(b"VALUE "[: len(data)]):
        return data.find(b"\n") + 1  # END, or an error
    whole = data.find(b"\r\n" + _END)
    return whole + 2 + len(_END) if whole >= 0 else 0


def holders(numbers: NDArray[np.int64]) -> Texts:
    """Return the holders of the slots of the members with these numbers, (n, width).

    Each is as :func:`musterd.stores.slots.protocol.write_holder` writes it.
    """
    some = member(0)
    pattern = write_holder(some)
    name = pattern.index(some.name.encode()) + len(some.name) - _NAME
    zone = pattern.index(some.zone.encode()) + len(some.zone) - _ZONE
    texts = np.tile(np.frombuffer(pattern, np.uint8), (len(numbers), 1))
    texts[:, name : name + _NAME] = decimal(numbers, _NAME)
    texts[:, zone : zone + _ZONE] = decimal(numbers % ZONES, _ZONE)
    return texts
