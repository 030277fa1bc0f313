"""The module writes beats of the PostgreSQL driver as messages of the extended query protocol.

The messages are rows of bytes. Each beat is what the agent of one member sends, to the byte: Bind
of its prepared call, Execute of one row, Sync (PostgreSQL's manual, "Message Formats"). A Sync ends
a transaction, so that beats which share a connection share nothing else.
"""

import struct

import numpy as np

from benchmarks.load.fleet import Seated
from benchmarks.load.schedule import Rows
from benchmarks.load.script import Reply
from musterd.beat import SIZE
from musterd_coordinator.sweep.columns import RECORD

STATEMENT = "musterd_beat"
_STORED, _LOST = "stored", "the row is gone"
_TRUE = b"\x01"
_IDLE = b"Z\x00\x00\x00\x05I"


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def answer(stored: bytes) -> bytes:
    """Return what answers a beat: one row of one truth, a byte, and no more than was asked for."""
    row = _message(b"D", struct.pack("!hi", 1, 1) + stored)
    return _message(b"2", b"") + row + _message(b"s", b"") + _IDLE


class PostgresScript:
    """A `PostgresScript` sends beats as executions of :data:`STATEMENT`.

    Its parameters are slot, member_id and record.
    """

    through = answer(_TRUE)

    def __init__(self, members: Seated) -> None:
        head = b"\0" + STATEMENT.encode() + b"\0" + struct.pack("!hhhhh", 3, 1, 1, 1, 3)
        result = struct.pack("!hh", 1, 1)  # as every parameter: binary
        execute = _message(b"E", b"\0" + struct.pack("!i", 1))
        tail = result + execute + _message(b"S", b"")
        length = 4 + len(head) + 4 + 4 + 4 + 8 + 4 + SIZE + len(result)
        self.commands = np.zeros(
            len(members.slots),
            [
                *(("kind", "V1"), ("length", ">i4"), ("head", f"V{len(head)}")),
                *(("four", ">i4"), ("slot", ">i4"), ("eight", ">i4"), ("member_id", ">u8")),
                *(("size", ">i4"), ("record", RECORD), ("tail", f"V{len(tail)}")),
            ],
        )
        fixed = {"kind": b"B", "head": head, "tail": tail}
        for name, text in fixed.items():
            self.commands[name] = np.void(text)
        numbers = {"length": length, "four": 4, "eight": 8, "size": SIZE}
        for name, number in numbers.items():
            self.commands[name] = number
        self.commands["slot"] = members.slots
        self.commands["member_id"] = members.fleet.member_id
        self.commands["record"] = members.records

    def look(self, rows: Rows) -> None:
        """Return None: the call itself says which member holds the slot."""
        del rows

    def reply(self, data: bytes, looked: bool) -> Reply | None:
        """Read a reply: see :class:`benchmarks.load.script.Script`."""
        del looked
        at, reason = 0, "an answer that is none to a beat"
        while at + 5 <= len(data):
            kind, (size,) = data[at : at + 1], struct.unpack_from("!i", data, at + 1)
            body = data[at + 5 : at + 1 + size]
            at += 1 + size
            if at > len(data):
                break
            if kind == b"E":
                reason = _error_text(body)
            elif kind == b"D":
                reason = _STORED if body[-1:] == _TRUE else _LOST
            elif kind == b"Z":
                return Reply(at, reason == _LOST, reason)
        return None

    def move(self, row: int, slot: int) -> None:
        """Note that the member in ``row`` was given another slot."""
        self.commands["slot"][row] = slot


def _error_text(body: bytes) -> str:
    fields = {field[:1]: field[1:] for field in body.split(b"\0")}
    return fields.get(b"M", b"error").decode("utf-8", "replace")[:100]
