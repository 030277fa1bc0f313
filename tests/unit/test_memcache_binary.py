"""The memcached binary protocol: replies as memcached 1.6.18 gives them, however the input is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.table.table import Table
from musterd_coordinator.memcache.binary import BinarySession
from tests import binary_packets as p
from tests.binary_packets import Reply, counting, expiring, packet, replies, storing

MISSING = b"Not found"


class Statistics:
    """Of a server that has two of them."""

    version = "9"

    def __init__(self) -> None:
        self.resets = 0

    def statistics(self, kind: str) -> dict[str, object] | None:
        kinds: dict[str, dict[str, object]] = {"": {"pid": 1, "uptime": 2}, "nobody": {}}
        return kinds.get(kind)

    def reset(self) -> None:
        self.resets += 1


def hear(conversation: BinarySession, *parts: bytes) -> bytes:
    said = bytearray()
    for part in parts:
        conversation.feed(part)
        while (step := conversation.step()) is not None:
            said += step
    return bytes(said)


def answers(*parts: bytes, table: Table | None = None) -> list[Reply]:
    return list(
        replies(hear(BinarySession(Table() if table is None else table, Statistics()), *parts))
    )


def test_a_value_is_stored_and_read() -> None:
    stored, read = answers(
        packet(p.SET, b"k", b"hello", extras=storing(7), opaque=1),
        packet(p.GET, b"k", opaque=2),
    )
    assert stored == Reply(p.SET, 0, b"", b"", b"", 1, 1)
    assert read == Reply(p.GET, 0, b"\0\0\0\7", b"", b"hello", 2, 1)


def test_a_miss_has_words_or_the_key() -> None:
    miss, with_key = answers(packet(p.GET, b"k"), packet(p.GETK, b"k"))
    assert (miss.status, miss.value, miss.key) == (1, MISSING, b"")
    assert (with_key.status, with_key.value, with_key.key) == (1, b"", b"k")


def test_what_is_asked_quietly_says_only_what_is_not_usual() -> None:
    said = answers(
        packet(p.GETQ, b"missing"),
        packet(p.GETKQ, b"missing"),
        packet(p.SETQ, b"k", b"1", extras=storing()),
        packet(p.GETKQ, b"k", opaque=3),
        packet(p.ADDQ, b"k", b"2", extras=storing(), opaque=4),
        packet(p.DELETEQ, b"missing", opaque=5),
        packet(p.FLUSHQ),
        packet(p.GATQ, b"k", extras=expiring(9)),
        packet(p.NOOP, opaque=6),
    )
    assert [(one.opaque, one.status) for one in said] == [(3, 0), (4, 2), (5, 1), (6, 0)]


def test_a_cas_number_that_is_not_the_newest_stores_nothing() -> None:
    table = Table()
    [first] = answers(packet(p.SET, b"k", b"1", extras=storing()), table=table)
    wrong, extended, deleted, counted = answers(
        packet(p.SET, b"k", b"2", extras=storing(), cas=first.cas + 1),
        packet(p.APPEND, b"k", b"2", cas=first.cas + 1),
        packet(p.DELETE, b"k", cas=first.cas + 1),
        packet(p.INCREMENT, b"k", extras=counting(1), cas=first.cas + 1),
        table=table,
    )
    assert {one.status for one in (wrong, extended, deleted, counted)} == {2}
    right, gone = answers(
        packet(p.SET, b"k", b"3", extras=storing(), cas=first.cas),
        packet(p.SET, b"missing", b"3", extras=storing(), cas=5),
        table=table,
    )
    assert (right.status, right.cas, gone.status) == (0, first.cas + 1, 1)


def test_a_counter_begins_where_it_is_told_to() -> None:
    refused, begun, counted, less = answers(
        packet(p.INCREMENT, b"n", extras=counting(5, 10)),
        packet(p.INCREMENT, b"n", extras=counting(5, 10, 0)),
        packet(p.INCREMENT, b"n", extras=counting(5, 10, 0)),
        packet(p.DECREMENT, b"n", extras=counting(50)),
    )
    assert refused.status == 1
    assert [int.from_bytes(one.value) for one in (begun, counted, less)] == [10, 15, 0]
    assert [one.cas for one in (begun, counted, less)] == [1, 2, 3]


def test_what_is_no_number_is_not_counted() -> None:
    _, said = answers(
        packet(p.SET, b"k", b"x", extras=storing()),
        packet(p.INCREMENT, b"k", extras=counting(1)),
    )
    assert (said.status, said.value) == (6, b"Non-numeric server-side value for incr or decr")


def test_add_replace_and_append_need_what_they_need() -> None:
    said = answers(
        packet(p.REPLACE, b"k", b"1", extras=storing()),
        packet(p.APPEND, b"k", b"1"),
        packet(p.ADD, b"k", b"1", extras=storing(3)),
        packet(p.ADD, b"k", b"2", extras=storing()),
        packet(p.APPEND, b"k", b"2"),
        packet(p.PREPEND, b"k", b"0"),
        packet(p.GET, b"k"),
    )
    assert [one.status for one in said] == [1, 5, 0, 2, 0, 0, 0]
    assert said[-1].value == b"012"


def test_touch_has_flags_and_gat_the_value() -> None:
    _, touched, fetched, with_key = answers(
        packet(p.SET, b"k", b"v", extras=storing(1)),
        packet(p.TOUCH, b"k", extras=expiring(100)),
        packet(p.GAT, b"k", extras=expiring(100)),
        packet(p.GATK, b"k", extras=expiring(100)),
    )
    assert (touched.extras, touched.value) == (b"\0\0\0\1", b"")
    assert (fetched.value, fetched.key) == (b"v", b"")
    assert (with_key.value, with_key.key) == (b"v", b"k")


def test_a_value_that_is_too_large_is_skipped_and_what_was_there_is_gone() -> None:
    large = packet(p.SET, b"k", b"x" * (1 << 20), extras=storing())
    _, refused, miss = answers(
        packet(p.SET, b"k", b"v", extras=storing()), large, packet(p.GET, b"k")
    )
    assert (refused.status, refused.value) == (3, b"Too large.")
    assert miss.status == 1


def test_nothing_is_stored_under_a_key_with_a_blank() -> None:
    refused, read = answers(
        packet(p.SET, b"a b", b"v", extras=storing()), packet(p.GET, b"a b", opaque=2)
    )
    assert (refused.status, read.status, read.opaque) == (4, 1, 2)


def test_there_is_no_login_and_whoever_tries_goes_on_without() -> None:
    said = answers(
        packet(p.LIST_MECHS, opaque=1),
        packet(p.AUTH, b"PLAIN", b"\0user\0password", opaque=2),
        packet(p.VERBOSITY, extras=b"\0\0\0\1", opaque=3),
        packet(p.VERSION, opaque=4),
    )
    assert [one.status for one in said] == [0x81, 0x81, 0x81, 0]
    assert said[-1].value == b"9"


def test_statistics_end_with_an_empty_one() -> None:
    said = answers(packet(p.STAT), packet(p.STAT, b"nobody"), packet(p.STAT, b"nothing"))
    assert [(one.key, one.value) for one in said[:3]] == [
        (b"pid", b"1"),
        (b"uptime", b"2"),
        (b"", b""),
    ]
    assert [(one.status, one.value) for one in said[3:]] == [(0, b""), (1, MISSING)]


def test_statistics_are_reset() -> None:
    statistics = Statistics()
    assert len(hear(BinarySession(Table(), statistics), packet(p.STAT, b"reset"))) == 24
    assert statistics.resets == 1


@pytest.mark.parametrize("opcode", [p.QUIT, p.QUITQ])
def test_it_ends_when_told_to(opcode: int) -> None:
    conversation = BinarySession(Table(), Statistics())
    said = hear(conversation, packet(opcode) + packet(p.VERSION))
    assert [one.opcode for one in replies(said)] == [p.QUIT] * (opcode == p.QUIT)
    assert conversation.closed


SHORT = p.HEADER.pack(0x80, p.GET, 5, 0, 0, 0, 3, 0, 0) + b"abcde"
MALFORMED = {
    b"\x81" + packet(p.GET, b"k")[1:]: None,
    b"get k\r\n" + b" " * 30: None,
    SHORT: 0x81,
    packet(p.GET): 4,
    packet(p.GET, b"k", b"v"): 4,
    packet(p.SET, b"k", b"v"): 4,
    packet(p.SET, b"", b"v", extras=storing()): 4,
    packet(p.INCREMENT, b"k", extras=b"\0" * 8): 4,
    packet(p.FLUSH, extras=b"\0"): 4,
    packet(p.TOUCH, b"k"): 4,
    packet(p.NOOP, b"k"): 4,
    packet(p.GET, b"k" * 251): 4,
    packet(p.AUTH): 4,
}


@pytest.mark.parametrize("said", MALFORMED)
def test_what_does_not_fit_together_is_the_end(said: bytes) -> None:
    conversation = BinarySession(Table(), Statistics())
    statuses = [one.status for one in replies(hear(conversation, said + packet(p.VERSION)))]
    assert statuses == [status for status in [MALFORMED[said]] if status is not None]
    assert conversation.closed
    assert hear(conversation, packet(p.VERSION)) == b""


keys = st.sampled_from([b"a", b"b", b"a b", b"k" * 250])
extras = st.one_of(
    st.just(b""),
    st.builds(storing, st.integers(0, 9), st.sampled_from([0, 100])),
    st.builds(
        counting, st.integers(0, 2**64 - 1), st.integers(0, 9), st.sampled_from([0, 2**32 - 1])
    ),
    st.builds(expiring, st.sampled_from([0, 100])),
    st.binary(max_size=24),
)
packets = st.builds(
    packet,
    st.one_of(st.integers(0, 0x26), st.integers(0, 255)),
    st.one_of(st.just(b""), keys),
    st.one_of(st.just(b""), st.binary(max_size=30), st.just(b"12")),
    extras=extras,
    opaque=st.integers(0, 2**32 - 1),
    cas=st.integers(0, 4),
)
garbage = st.binary(max_size=60)
scripts = st.lists(st.one_of(packets, packets, packets, garbage), max_size=12).map(b"".join)


@given(script=scripts, cuts=st.lists(st.integers(0, 400), max_size=6))
def test_replies_are_whole_and_do_not_depend_on_how_the_input_is_cut(
    script: bytes, cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(script)) for cut in cuts), len(script)]
    parts = [script[begin:end] for begin, end in pairwise(edges)]
    whole, pieces = (BinarySession(Table(), Statistics()) for _ in range(2))
    said = hear(whole, script)
    assert list(replies(said)) == list(replies(hear(pieces, *parts)))
    assert (whole.closed, whole.held) == (pieces.closed, pieces.held)
