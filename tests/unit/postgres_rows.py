"""What PostgreSQL sends of beats and seats, as bytes and as rows."""

import struct

import numpy as np
from numpy.typing import NDArray

from musterd.beat import Beat, pack
from musterd.model import Member
from musterd_coordinator.sweep.columns import RECORD
from musterd_coordinator.sweep.rows.slotmap import RowSlots, Seat

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)


def copy_of(rows: list[tuple[int, bytes]]) -> bytes:
    packed = (struct.pack(">hiii", 2, 4, slot, len(record)) + record for slot, record in rows)
    return HEADER + b"".join(packed) + struct.pack(">h", -1)


def seat(slot: int, changed: int = 1, number: int = 0) -> Seat:
    return Seat(slot, changed, number or slot + 100, Member("g", f"m{number or slot}"))


def seats_of(count: int) -> RowSlots:
    seats = RowSlots()
    seats.update([seat(slot) for slot in range(count)])
    return seats


def records(*beats: Beat | None) -> NDArray[np.void]:
    return np.frombuffer(b"".join(pack(b) if b else bytes(64) for b in beats), RECORD)
