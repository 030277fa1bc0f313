"""Replies of memcached out of a stream of bytes, whole and cut anywhere, right and wrong."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from musterd.beat import SIZE, Beat, pack
from musterd.errors import ShardCorrupt, ShardRefused, StoreError
from musterd.stores.slots.protocol import Keys
from musterd_coordinator.sweep.columns import WORDS
from musterd_coordinator.sweep.memcached.replies import BeatsReply
from musterd_coordinator.sweep.memcached.values import BulkReply, ReplyTooLong, ValuesReply
from musterd_coordinator.sweep.slots.slotmap import Block

KEYS = Keys("fleet")
NEXT = b"VALUE fleet:b:00000000 0 3\r\nodd\r\nEND\r\n"  # the reply to another command


@dataclass
class Stored:
    """What a server holds in a slot."""

    slot: int
    value: bytes
    flags: int = 0

    @property
    def text(self) -> bytes:
        head = b"VALUE %b %d %d\r\n" % (KEYS.beat(self.slot), self.flags, len(self.value))
        return head + self.value + b"\r\n"

    @property
    def is_record(self) -> bool:
        return len(self.value) == SIZE and not self.flags


def record(slot: int) -> bytes:
    return pack(Beat(slot + 1, 7, slot + 1, 1000))


def block_of(slots: list[int]) -> Block:
    return Block(np.array(slots, np.int64), b"".join(KEYS.beat(slot) + b" " for slot in slots))


def reply_to(slots: list[int]) -> BeatsReply:
    return BeatsReply("mc", block_of(slots), KEYS.beat_prefix)


def feed(reply: BulkReply, data: bytes, cuts: list[int]) -> int | None:
    """Show ``reply`` more and more of ``data``, as a connection does; how much of it it took."""
    begin = 0
    for end in [*sorted(cut for cut in cuts if 0 < cut < len(data)), len(data)]:
        taken, whole = reply.parse(memoryview(bytearray(data[begin:end])))
        begin += taken
        if whole:
            return begin
    return None


def taken(reply: BeatsReply) -> tuple[dict[int, bytes], list[int]]:
    slots, words, odd = reply.result
    found = {slot: row.tobytes() for slot, row in zip(slots.tolist(), words.T, strict=True)}
    return found, odd.tolist()


def read(record: bytes) -> bytes:
    """What a sweep takes of ``record``: all but its mac."""
    return record[: 8 * WORDS]


records = st.builds(Stored, st.integers(0, 40), st.binary(min_size=SIZE, max_size=SIZE))
oddities = st.builds(
    Stored, st.integers(0, 40), st.binary(max_size=200), st.sampled_from([0, 0, 1, 65535])
)
contents = st.lists(st.one_of(records, records, oddities), max_size=12, unique_by=lambda s: s.slot)
cuts = st.lists(st.integers(0, 2000), max_size=6)


@given(contents, cuts, st.booleans(), st.booleans())
def test_beats_are_read_however_they_come(
    stored: list[Stored], cuts: list[int], in_order: bool, more_follows: bool
) -> None:
    if in_order:
        stored = sorted(stored, key=lambda s: s.slot)
    data = b"".join(s.text for s in stored) + b"END\r\n"
    reply = reply_to(list(range(41)))
    assert feed(reply, data + NEXT * more_follows, cuts) == len(data)
    found, odd = taken(reply)
    assert found == {s.slot: read(s.value) for s in stored if s.is_record}
    assert sorted(odd) == sorted(s.slot for s in stored if not s.is_record)


@given(st.data(), contents.filter(bool), cuts)
def test_a_spoiled_reply_is_never_believed_beyond_what_was_asked(
    data: st.DataObject, stored: list[Stored], cuts: list[int]
) -> None:
    text = bytearray(b"".join(s.text for s in stored) + b"END\r\n")
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    asked = sorted({s.slot for s in stored} | {41, 42})
    reply = reply_to(asked)
    try:
        size = feed(reply, bytes(text), cuts)
    except StoreError:
        return
    if size is not None:
        slots = reply.result[0].tolist()
        assert set(slots) <= set(asked)
        assert len(set(slots)) == len(slots)


@given(st.integers(1, 4), st.data())
def test_by_stride_is_believed_what_is_believed_value_by_value(
    count: int, data: st.DataObject
) -> None:
    text = bytearray(
        b"".join(Stored(slot, record(slot)).text for slot in range(count)) + b"END\r\n"
    )
    block = len(Stored(0, record(0)).text)
    in_block = st.one_of(st.integers(0, block - SIZE), st.integers(block - 3, block + 4))
    at = block * data.draw(st.integers(0, count - 1)) + data.draw(in_block)
    text[at] ^= data.draw(st.sampled_from([1, 32]))
    by_value = ValuesReply("mc", [KEYS.beat(slot) for slot in range(count)])
    by_stride = reply_to(list(range(count)))
    read = size_of(by_stride, bytes(text))
    assert read == size_of(by_value, bytes(text))
    if read is not None:
        assert len(by_stride.result[0]) == len(by_value.values) - len(by_value.flagged)


def size_of(reply: BulkReply, data: bytes) -> int | None:
    """How much of ``data`` the reply takes; None: not believed."""
    try:
        return feed(reply, data, [])
    except StoreError:
        return None


@given(contents, st.integers(1, 2000))
def test_a_reply_that_stops_short_is_never_complete(stored: list[Stored], missing: int) -> None:
    data = b"".join(s.text for s in stored) + b"END\r\n"
    cut = data[: max(0, len(data) - missing)]
    whole_in_there = cut.endswith(b"END\r\n")  # in the value of a record
    if not whole_in_there:
        assert feed(reply_to(list(range(41))), cut, []) is None


def test_all_blocks_by_stride() -> None:
    """The fast way, at full size."""
    slots = list(range(5000, 6000))
    reply = reply_to(slots)
    data = b"".join(Stored(slot, record(slot)).text for slot in slots) + b"END\r\n"
    assert feed(reply, data + NEXT, [1, 100, 65536, 100_000]) == len(data)
    assert taken(reply) == ({slot: read(record(slot)) for slot in slots}, [])


def test_records_do_not_change_with_the_buffer() -> None:
    """Also when there is only one, of which NumPy need not make a copy."""
    for slots in ([3], [3, 4]):
        data = bytearray(b"".join(Stored(slot, record(slot)).text for slot in slots) + b"END\r\n")
        reply = reply_to(slots)
        reply.parse(memoryview(data))
        data[:] = bytes(len(data))
        assert taken(reply) == ({slot: read(record(slot)) for slot in slots}, [])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (Stored(2, record(2)).text + b"END\r\n", "not asked for"),
        (Stored(2, b"odd").text + b"END\r\n", "another key"),
        (Stored(1, record(1)).text * 2 + b"END\r\n", "twice"),
        (Stored(1, b"odd").text * 2 + b"END\r\n", "twice"),
        (b"VALUE fleet:b:00000001 0 3\r\nlong\r\nEND\r\n", "is not 3 bytes long"),
        (b"VALUE fleet:b:00000001 0 99999999\r\n", "has 99999999 bytes"),
        (b"VALUE fleet:b:00000001 0 -1\r\nEND\r\n", "reply is not memcached's"),
        (b"VALUE fleet:b:00000001 0\r\nEND\r\n", "reply is not memcached's"),
        (b"VALUES fleet:b:00000001 0 3\r\nodd\r\nEND\r\n", "reply is not memcached's"),
        (b"STORED\r\n", "reply is not memcached's: 'STORED'"),
        (b"\x00\x01\x02\r\n", "reply is not memcached's"),
        (b"x" * 5000, "reply is not memcached's"),
    ],
)
def test_wrong_replies(text: bytes, complaint: str) -> None:
    with pytest.raises(ShardCorrupt, match=complaint):
        feed(reply_to([1, 3]), text, [])


@pytest.mark.parametrize("before", [b"", Stored(1, record(1)).text, Stored(1, b"odd").text])
def test_errors_of_the_server(before: bytes) -> None:
    line = b"SERVER_ERROR out of memory writing get response\r\n"
    with pytest.raises(ShardRefused, match="mc: SERVER_ERROR out of memory writing get response"):
        feed(reply_to([1, 3]), before + line, [len(before) + 10])


@given(st.dictionaries(st.integers(0, 40), st.binary(max_size=300)), cuts)
def test_values_are_read_however_they_come(values: dict[int, bytes], cuts: list[int]) -> None:
    data = b"".join(Stored(slot, value).text for slot, value in values.items()) + b"END\r\n"
    reply = ValuesReply("mc", [KEYS.beat(slot) for slot in range(41)])
    assert feed(reply, data + NEXT, cuts) == len(data)
    assert reply.values == {KEYS.beat(slot): value for slot, value in values.items()}


tricky = st.lists(
    st.sampled_from([b"x", b"\r\n", b"\r\nEND\r\n", b"\r\nVALUE ", KEYS.beat(1) + b" 0 1\r\nx"]),
    max_size=5,
).map(b"".join)
holders = st.builds(
    Stored,
    st.integers(0, 5),
    st.one_of(st.binary(max_size=9), tricky),
    st.sampled_from([0, 0, 0, 1]),
)


@given(
    st.lists(holders, min_size=1, max_size=5, unique_by=lambda s: s.slot),
    st.sets(st.integers(0, 5)),
    cuts,
    st.booleans(),
)
@example([Stored(0, b"a"), Stored(1, b"bc")], set(), [], True)
@example([Stored(0, b"a"), Stored(0, b"b")], set(), [], False)
@example([Stored(0, b"a\r\nVALUE %b 0 1\r\nb" % KEYS.beat(1))], {1}, [], False)
def test_values_are_the_same_whether_they_come_at_once_or_in_pieces(
    stored: list[Stored], absent: set[int], cuts: list[int], more_follows: bool
) -> None:
    asked = [KEYS.beat(slot) for slot in dict.fromkeys([*(s.slot for s in stored), *absent])]
    data = b"".join(each.text for each in stored) + b"END\r\n"
    follows = NEXT if more_follows else b""
    whole, pieces = ValuesReply("mc", asked), ValuesReply("mc", asked)
    assert pieces.parse(memoryview(data[:1])) == (0, False)  # from here on it goes value by value
    try:
        assert feed(pieces, data + follows, cuts) == len(data)
    except StoreError as error:
        with pytest.raises(type(error), match=re.escape(error.reason)):
            whole.parse(memoryview(data + follows))
    else:
        assert whole.parse(memoryview(data + follows)) == (len(data), True)
        assert (whole.values, whole.flagged) == (pieces.values, pieces.flagged)


def large(slot: int, size: int) -> bytes:
    return Stored(slot, bytes(size)).text


@settings(max_examples=20)
@given(st.lists(st.sampled_from([0, 70_000, 90_000]), min_size=1, max_size=4), st.integers(9, 3000))
def test_a_value_larger_than_any_of_ours_is_passed_over(sizes: list[int], step: int) -> None:
    data = b"".join(large(slot, size) for slot, size in enumerate(sizes)) + b"END\r\n"
    reply = ValuesReply("mc", [KEYS.beat(slot) for slot in range(40)])
    assert feed(reply, data + NEXT, list(range(step, len(data), 17 * step))) == len(data)
    assert list(reply.values) == [KEYS.beat(at) for at, size in enumerate(sizes) if not size]
    assert reply.oversized == [KEYS.beat(at) for at, size in enumerate(sizes) if size]


def test_a_reply_is_cut_off_at_half_more_than_what_was_asked_for() -> None:
    asked = [KEYS.beat(slot) for slot in range(500)]
    reply = ValuesReply("mc", asked)
    sent = 0
    while sent < 11 << 20:
        data = large(len(reply.oversized), 1 << 20)
        assert reply.parse(memoryview(data)) == (len(data), False)
        sent += len(data)
    with pytest.raises(ReplyTooLong, match="cut off"):
        reply.parse(memoryview(large(400, 2 << 20)[:100]))
    assert len(reply.oversized) == 1 + (sent >> 20)


def test_a_beat_is_never_as_long_as_that() -> None:
    reply = reply_to([1, 3])
    with pytest.raises(ReplyTooLong, match="has 1048576 bytes"):
        reply.parse(memoryview(large(3, 1 << 20)[:100_000]))
    assert reply.oversized == [KEYS.beat(3)]
