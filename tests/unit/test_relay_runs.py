"""Many beats in one piece mean what they mean one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import SIZE, Beat, pack
from musterd.stores.slots.protocol import Keys, write_holder
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.protocol import ProtocolSession
from musterd_coordinator.relay.reception import Inbox
from musterd_coordinator.relay.runs import MOST, find_run
from tests.unit.relay_reception import MEMBER, Mute

KEYS = Keys("fleet")


def command(slot: int, *, ttl: bytes = b"600", rest: bytes = b"") -> bytes:
    record = pack(Beat(slot + 1, 7, slot, 1000))
    return b"replace %b 0 %b 64%b\r\n%b\r\n" % (KEYS.beat(slot), ttl, rest, record)


def records(*slots: int) -> bytes:
    return b"".join(pack(Beat(slot + 1, 7, slot, 1000)) for slot in slots)


def test_what_is_of_one_width_is_one_run() -> None:
    said = b"".join(command(slot) for slot in range(40))
    assert find_run(said) == (records(*range(40)), len(said))
    assert find_run(said[:-1]) == (records(*range(39)), len(said) // 40 * 39)


def signed(data: bytes) -> bytes:
    return data.replace(b"BM\1", b"BM\2")


def test_signed_beats_are_a_run_of_their_own() -> None:
    run = command(1) + command(2)
    assert find_run(signed(run) + run) == (signed(records(1, 2)), len(run))
    assert find_run(run + signed(run)) == (records(1, 2), len(run))
    assert find_run(run.replace(b"BM\1", b"BM\3")) is None


def test_a_run_has_an_end() -> None:
    found = find_run(command(3) * (MOST + 5))
    assert found == (records(3) * MOST, len(command(3)) * MOST)


@pytest.mark.parametrize(
    "other",
    [
        b"get fleet:m:00000003\r\n" * 20,
        command(3, ttl=b"60"),
        command(3, ttl=b"601"),
        command(3, rest=b" noreply"),
        command(3).replace(b"BM", b"XM"),
        command(3).replace(b"BM\1", b"BM\2"),
        command(3).replace(b"fleet", b"fleeT"),
        command(3).replace(b":b:0000", b":b:000g"),
        command(3).replace(b"0 600", b"1 600"),
        command(3)[:-2] + b"xx",
        command(3)[:-10],
    ],
)
def test_a_run_ends_before_what_is_not_alike(other: bytes) -> None:
    run = command(1) + command(2)
    for after in (b"", command(4) * 3):
        assert find_run(run + other + after) == (records(1, 2), len(run))
        assert find_run(command(1) + other + after) is None


PIECES = st.sampled_from(
    [
        *(command(0), command(1), command(2), command(3), command(5)),
        *(command(1, ttl=b"60"), command(1, rest=b" noreply"), command(1)[:-2] + b"xx"),
        *(b"get fleet:m:00000003\r\n", b"get x\r\n", b"verbosity 1\r\n", b"nonsense\r\n"),
        *(command(1).replace(b"BM", b"XM"), command(1).replace(b"BM\1", b"BM\2")),
    ]
)


class Desk:
    """A conversation with a reception where members 1 to 4 have seats."""

    def __init__(self) -> None:
        table = Table()
        table.set(KEYS.holder(3), write_holder(MEMBER))
        self.reception = Inbox(table, lambda: 5.0)
        for identity in range(1, 5):
            self.reception.seats.put(identity, identity, b"", KEYS.beat(identity), 0.0)
        self.conversation = ProtocolSession(table, Mute(), self.reception)
        self.stored: list[bytes] = []

    def say(self, text: bytes) -> bytes:
        """What is answered, with a database that stores beats of members 1 to 3."""
        self.conversation.feed(text)
        heard = self._heard()
        for waiting in self.reception.known.drain():
            sizes = range(0, len(waiting.records), SIZE)
            beats = [waiting.records[at : at + SIZE] for at in sizes]
            self.stored += [beat for beat in beats if beat[8] <= 3]
            waiting.acknowledge_each(
                [b"STORED" if beat[8] <= 3 else b"NOT_STORED" for beat in beats]
            )
        return heard + self._heard()

    def _heard(self) -> bytes:
        parts = []
        while (part := self.conversation.step()) is not None:
            parts.append(part)
        return b"".join(parts)


@given(st.lists(PIECES, max_size=25))
def test_a_run_means_what_its_commands_mean_one_by_one(pieces: list[bytes]) -> None:
    together, singly = Desk(), Desk()
    said = together.say(b"".join(pieces))
    assert said == b"".join(singly.say(piece) for piece in pieces)
    assert together.stored == singly.stored
