"""What a swarm says is what agents say, and it notices every answer that is not as it should be."""

import struct
from collections.abc import Sequence
from itertools import pairwise
from math import inf

import numpy as np
import pytest
from benchmarks.bulk import announcements
from benchmarks.load.fleet import Seated, make_fleet, member, seated
from benchmarks.load.keyed_script import KeyedScript, holders
from benchmarks.load.postgres_script import STATEMENT, PostgresScript, answer
from benchmarks.load.replies import BadReply, Batch, Replies
from benchmarks.load.script import Script
from benchmarks.load.tally import Count
from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.slots.protocol import Keys, write_holder, write_slots
from musterd.stores.table.table import Table
from musterd_coordinator.memcache.protocol import ProtocolSession

KEYS = Keys("load-1")
FINE, LOST, FULL = b"STORED\r\n", b"NOT_STORED\r\n", b"SERVER_ERROR out of memory\r\n"


def members(count: int = 6) -> Seated:
    return seated(make_fleet(0, count, KEYS.namespace, seed=1), 0, 1.0, wall=1.0)


class NoStatistics:
    """A server that has nothing to report."""

    version = "0"

    def statistics(self, kind: str) -> dict[str, object] | None:
        return None

    def reset(self) -> None: ...


def said_to(table: Table, commands: bytes) -> bytes:
    """The embedded store's own replies."""
    conversation = ProtocolSession(table, NoStatistics())
    conversation.feed(commands)
    parts = []
    while (part := conversation.step()) is not None:
        parts.append(part)
    return b"".join(parts)


def test_the_protocol_is_followed_to_the_byte() -> None:
    fleet = members()
    table, script, rows = Table(), KeyedScript(KEYS, 60, fleet), np.arange(6)
    held = holders(fleet.fleet.number)
    assert said_to(table, announcements(KEYS, 60, fleet.slots, fleet.records, held)) == b""
    look = script.look(rows)
    for row in range(6):
        replies = said_to(table, script.commands[row].tobytes() + look.commands[row].tobytes())
        assert replies == script.through + look.answers[row].tobytes()
        slot, number = int(fleet.slots[row]), int(fleet.fleet.number[row])
        keys = KEYS.holder(slot), KEYS.index(KEYS.identity(member(number))), KEYS.beat(slot)
        values = [item and item.value for item in table.get(keys)]
        record = fleet.records[row].tobytes()
        assert values == [write_holder(member(number)), write_slots(slot), record]
    script.move(3, 77)
    assert said_to(table, script.commands[3].tobytes()) == LOST
    assert b":b:0000004d " in script.commands[3].tobytes()


@given(numbers=st.lists(st.integers(0, 10**8 - 1), min_size=1, max_size=5))
def test_holders_are_those_that_agents_write(numbers: list[int]) -> None:
    rows = holders(np.array(numbers))
    assert [row.tobytes() for row in rows] == [write_holder(member(one)) for one in numbers]


def test_a_beat_to_postgresql_is_a_bind_an_execute_and_a_sync() -> None:
    fleet = members(2)
    text = PostgresScript(fleet).commands[1].tobytes()
    kinds, at = [], 0
    while at < len(text):
        kinds.append(text[at : at + 1])
        at += 1 + struct.unpack_from("!i", text, at + 1)[0]
    assert (kinds, at) == ([b"B", b"E", b"S"], len(text))
    slot, identity = int(fleet.slots[1]), int(fleet.fleet.member_id[1])
    values = struct.pack("!iiiQi", 4, slot, 8, identity, 64) + fleet.records[1].tobytes()
    assert values in text
    assert STATEMENT.encode() + b"\0" in text


class Heard:
    """Replies to batches of beats, fed in pieces."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.count = Count(push_timeout=1.0)
        self.lost: list[int] = []
        self.replies = Replies(script, self.count, self.lost.append)

    def expect(self, rows: Sequence[int], *, looked: bool = False) -> None:
        chosen, through = np.array(rows), self.script.through
        beats = Batch(0.0, chosen, through * len(rows), len(through))
        self.replies.expect(beats)
        look = self.script.look(chosen) if looked else None
        if look is not None:
            answers = look.answers
            looks = Batch(0.0, chosen, answers.tobytes(), answers.shape[1], beats)
            self.replies.expect(looks)


def in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


@given(
    answers=st.lists(st.sampled_from([FINE, FINE, LOST, FULL]), min_size=4, max_size=6),
    split=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 1000), max_size=8),
)
def test_every_answer_is_told_apart_however_it_arrives(
    answers: list[bytes], split: int, cuts: list[int]
) -> None:
    heard = Heard(KeyedScript(KEYS, 60, members()))
    heard.expect(range(split))
    heard.expect(range(split, len(answers)))
    for piece in in_pieces(b"".join(answers), cuts):
        heard.replies.feed(piece, 0.5)
    tally = heard.count.tally
    assert tally.through == answers.count(FINE) == int(heard.count.latencies.counts.sum())
    assert heard.lost == [row for row, answer in enumerate(answers) if answer == LOST]
    assert (tally.lost, tally.failed) == (answers.count(LOST), answers.count(FULL))
    heard.replies.abandon("gone")
    assert tally.failed == answers.count(FULL)


@given(
    wrong=st.dictionaries(st.integers(0, 5), st.sampled_from(["other", "nobody"]), max_size=3),
    lost=st.sets(st.integers(0, 5), max_size=3),
    cuts=st.lists(st.integers(0, 1000), max_size=8),
)
def test_a_slot_that_another_holds_counts_as_lost(
    wrong: dict[int, str], lost: set[int], cuts: list[int]
) -> None:
    script = KeyedScript(KEYS, 60, members())
    heard = Heard(script)
    heard.expect(range(6), looked=True)
    look = script.look(np.arange(6))
    data = b"".join(LOST if row in lost else FINE for row in range(6))
    for row in range(6):
        right = look.answers[row].tobytes()
        other = right.replace(b"load-0000", b"load-9999")
        data += {"other": other, "nobody": b"END\r\n"}.get(wrong.get(row, ""), right)
    for piece in in_pieces(data, cuts):
        heard.replies.feed(piece, 0.5)
    assert sorted(heard.lost) == sorted(wrong.keys() | lost)
    assert heard.count.tally.through == 6 - len(wrong.keys() | lost)
    heard.replies.abandon("gone")
    assert heard.count.tally.failed == 0


@given(gone=st.sets(st.integers(0, 5), max_size=3), cuts=st.lists(st.integers(0, 1000), max_size=8))
def test_a_beat_that_hit_no_row_counts_as_lost(gone: set[int], cuts: list[int]) -> None:
    script = PostgresScript(members())
    heard = Heard(script)
    heard.expect(range(6))
    none = answer(b"\x00")
    error = b"E\x00\x00\x00\x0eMno room\x00\x00" + b"Z\x00\x00\x00\x05I"
    data = b"".join(none if row in gone else script.through for row in range(5)) + error
    for piece in in_pieces(data, cuts):
        heard.replies.feed(piece, 2.0)
    assert heard.lost == sorted(gone - {5})
    assert heard.count.tally.slow == heard.count.tally.through == 5 - len(gone - {5})
    assert heard.count.tally.reasons == {"no room": 1}


def test_what_waits_fails_with_its_connection() -> None:
    heard = Heard(KeyedScript(KEYS, 60, members()))
    assert heard.replies.waiting_since == inf
    heard.expect(range(4))
    assert heard.replies.waiting_since == 0.0
    heard.replies.feed(FINE + b"STO", 0.5)
    heard.replies.abandon("connection lost")
    assert heard.count.tally.through == 1
    assert heard.count.tally.reasons == {"connection lost": 3}
    heard.expect(range(2))
    heard.replies.feed(2 * FINE, 0.5)
    assert heard.count.tally.through == 3


@pytest.mark.parametrize("data", [FINE, b"\x00" * 10_000])
def test_what_is_no_reply_is_the_end_of_a_connection(data: bytes) -> None:
    heard = Heard(KeyedScript(KEYS, 60, members()))
    if data != FINE:
        heard.expect(range(2))
    with pytest.raises(BadReply):
        heard.replies.feed(data, 0.5)
