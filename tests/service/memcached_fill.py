"""A memcached as many agents would have left it."""

import socket

from musterd.beat import Beat, pack
from musterd.model import Member
from musterd.stores.slots.protocol import Keys, write_holder, write_slots
from musterd.testing.servers import Memcached

KEYS = Keys("fleet")


def member(slot: int) -> Member:
    return Member("compute", f"host-{slot:06}")


def record(slot: int, sequence: int = 1) -> bytes:
    return pack(Beat(KEYS.identity(member(slot)), 7, sequence, 1000))


def fill(memcached: Memcached, slots: list[int], **more: bytes) -> None:
    """Write what so many agents would have written, in one go."""
    values = {KEYS.counter: b"%d" % (max(slots) + 1)}
    for slot in slots:
        values[KEYS.holder(slot)] = write_holder(member(slot))
        values[KEYS.index(KEYS.identity(member(slot)))] = write_slots(slot)
        values[KEYS.beat(slot)] = record(slot)
    values |= {key.encode(): value for key, value in more.items()}
    commands = [
        b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, len(value), value)
        for key, value in values.items()
    ]
    with socket.create_connection((memcached.host, memcached.port), 30) as connection:
        connection.sendall(b"".join(commands) + b"version\r\n")
        assert connection.recv(100).startswith(b"VERSION")
