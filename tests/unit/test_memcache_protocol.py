"""The memcached text protocol: replies as memcached 1.6.18 gave them, however the input is cut."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.table.table import Table
from musterd_coordinator.memcache.protocol import ProtocolSession

LONG = b"x" * 251
BAD = b"CLIENT_ERROR bad command line format\r\n"
BAD_EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"
BAD_DELETE = b"CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
BAD_CHUNK = b"CLIENT_ERROR bad data chunk\r\n"
NOT_A_NUMBER = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"
BIG = b"1048576\r\n" + b"x" * 1048576 + b"\r\n"

# What a client sends, and what memcached 1.6.18 answered.
RECORDED = {
    b"\r\n": b"ERROR\r\n",
    b"\n": b"ERROR\r\n",
    b" \r\n": b"ERROR\r\n",
    b"a\r\n": b"ERROR\r\n",
    b"version\r\r\n": b"ERROR\r\n",
    b"SET k 0 0 1\r\na\r\n": b"ERROR\r\nERROR\r\n",
    b"GET / FTP\r\n": b"ERROR\r\n",
    # reading
    b"get\r\n": b"ERROR\r\n",
    b"get \r\n": b"ERROR\r\n",
    b"gat\r\n": b"ERROR\r\n",
    b"gat 10\r\n": b"END\r\n",
    b"gat a k\r\n": BAD_EXPTIME,
    b"  get   k  \r\n": b"END\r\n",
    b"get k\n": b"END\r\n",
    b"set k 0 0 1\r\na\r\nget k\0 x\r\n": b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\n",
    b"get " + LONG + b"\r\n": BAD,
    b"get k " + LONG + b" k\r\n": BAD,
    b"set k 4294967295 0 1\r\na\r\nget k\r\n": b"STORED\r\nVALUE k 4294967295 1\r\na\r\nEND\r\n",
    b"set k 0 0 1\r\na\r\ngat -1 k\r\nget k\r\n": b"STORED\r\nVALUE k 0 1\r\na\r\nEND\r\nEND\r\n",
    # storing
    b"  set  k  0 0   1  \r\na\r\n": b"STORED\r\n",
    b"set k +1 +0 +1\r\na\r\n": b"STORED\r\n",
    b"set k 0 0 1 foo\r\na\r\n": b"STORED\r\n",
    b"set k 0 0 1 noreply\r\na\r\n": b"",
    b"set k 0 0 1 noreply foo\r\na\r\n": b"ERROR\r\nERROR\r\n",
    b"set k 0 0\r\n": b"ERROR\r\n",
    b"set k 0 0 -1\r\n": BAD,
    b"set k a 0 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set k -1 0 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set k 0 a 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set k 0 0x1 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set k 0 99999999999999999999 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set " + LONG + b" 0 0 1\r\na\r\n": BAD + b"ERROR\r\n",
    b"set " + LONG + b" 0 0 1 noreply\r\na\r\n": b"ERROR\r\n",
    b"set k 0 0 3\r\nabcdef\r\n": BAD_CHUNK + b"ERROR\r\n",
    b"set k 0 0 3 noreply\r\nabcdef\r\n": b"ERROR\r\n",
    b"set k 0 0 3\r\nabc\n\r\n": BAD_CHUNK + b"ERROR\r\n",
    b"set k 0 -1 1\r\na\r\nget k\r\n": b"STORED\r\nEND\r\n",
    b"set k 0 2592001 1\r\na\r\nget k\r\n": b"STORED\r\nEND\r\n",
    b"set k 0 0 1\r\na\r\nset k 0 0 " + BIG + b"get k\r\n": b"STORED\r\n" + TOO_LARGE + b"END\r\n",
    b"set k 0 0 1\r\na\r\nadd k 0 0 " + BIG + b"get k\r\n": (
        b"STORED\r\n" + TOO_LARGE + b"VALUE k 0 1\r\na\r\nEND\r\n"
    ),
    b"append k 0 0 1\r\na\r\n": b"NOT_STORED\r\n",
    b"set k 7 0 1\r\nb\r\nappend k 9 -1 1\r\nc\r\nprepend k 0 0 1\r\na\r\nget k\r\n": (
        b"STORED\r\nSTORED\r\nSTORED\r\nVALUE k 7 3\r\nabc\r\nEND\r\n"
    ),
    b"cas k 0 0 1 0\r\na\r\n": b"NOT_FOUND\r\n",
    b"set k 0 0 1\r\na\r\ncas k 0 0 1 0\r\nb\r\n": b"STORED\r\nEXISTS\r\n",
    b"cas k 0 0 1 a\r\na\r\n": BAD + b"ERROR\r\n",
    b"cas k 0 0 1 -1\r\na\r\n": BAD + b"ERROR\r\n",
    b"cas k 0 0 1\r\na\r\n": b"ERROR\r\nERROR\r\n",
    b"cas k 0 0 1 5 noreply\r\na\r\n": b"",
    # counting
    b"incr k 1\r\n": b"NOT_FOUND\r\n",
    b"incr k a\r\n": BAD_DELTA,
    b"incr k -1\r\n": BAD_DELTA,
    b"incr k\r\n": b"ERROR\r\n",
    b"incr k noreply\r\n": b"",
    b"incr k 1 foo\r\n": b"NOT_FOUND\r\n",
    b"incr k 18446744073709551616\r\n": BAD_DELTA,
    b"incr " + LONG + b" 1\r\n": BAD,
    b"set k 0 0 2\r\n10\r\ndecr k 1\r\nget k\r\n": b"STORED\r\n9\r\nVALUE k 0 2\r\n9 \r\nEND\r\n",
    b"set k 0 0 3\r\n 5 \r\nincr k 1\r\nget k\r\n": (
        b"STORED\r\n6\r\nVALUE k 0 3\r\n6  \r\nEND\r\n"
    ),
    b"set k 0 0 2\r\n-5\r\nincr k 1\r\n": b"STORED\r\n" + NOT_A_NUMBER,
    b"set k 0 0 0\r\n\r\nincr k 1\r\n": b"STORED\r\n" + NOT_A_NUMBER,
    b"set k 0 0 4\r\n5\0ab\r\nincr k 1\r\n": b"STORED\r\n6\r\n",
    # the rest
    b"touch k 0\r\n": b"NOT_FOUND\r\n",
    b"touch k\r\n": b"ERROR\r\n",
    b"touch k a\r\n": BAD_EXPTIME,
    b"touch k noreply\r\n": b"",
    b"set k 0 0 1\r\na\r\ntouch k -1\r\nget k\r\n": b"STORED\r\nTOUCHED\r\nEND\r\n",
    b"delete\r\n": b"ERROR\r\n",
    b"delete k 0\r\n": b"NOT_FOUND\r\n",
    b"delete k 0 noreply\r\n": b"",
    b"delete noreply\r\n": b"NOT_FOUND\r\n",
    b"delete k 5\r\n": BAD_DELETE,
    b"delete k 0 0\r\n": BAD_DELETE,
    b"delete k noreply noreply\r\n": b"",
    b"delete k 0 0 0\r\n": b"ERROR\r\n",
    b"delete " + LONG + b"\r\n": BAD,
    b"flush_all\r\n": b"OK\r\n",
    b"flush_all noreply\r\n": b"",
    b"flush_all a\r\n": BAD_EXPTIME,
    b"flush_all a noreply\r\n": b"",
    b"flush_all -1\r\n": b"OK\r\n",
    b"flush_all 0 foo\r\n": b"OK\r\n",
    b"flush_all 0 0 0\r\n": b"ERROR\r\n",
    b"verbosity\r\n": b"ERROR\r\n",
    b"verbosity 1\r\n": b"OK\r\n",
    b"verbosity a\r\n": BAD,
    b"verbosity 1 noreply\r\n": b"",
    b"verbosity noreply\r\n": b"",
    b"stats reset\r\n": b"RESET\r\n",
    b"stats nothing\r\n": b"ERROR\r\n",
}


class Statistics:
    """A server that has two reports."""

    version = "9"

    def statistics(self, kind: str) -> dict[str, object] | None:
        return {"pid": 1, "kind": kind} if kind in ("", "settings") else None

    def reset(self) -> None:
        pass


def converse(table: Table | None = None) -> ProtocolSession:
    return ProtocolSession(Table() if table is None else table, Statistics())


def hear(conversation: ProtocolSession, *parts: bytes) -> bytes:
    replies = []
    for part in parts:
        conversation.feed(part)
        while (reply := conversation.step()) is not None:
            replies.append(reply)
    return b"".join(replies)


@pytest.mark.parametrize(("said", "answer"), RECORDED.items(), ids=lambda text: repr(text[:40]))
def test_answers_to_the_byte(said: bytes, answer: bytes) -> None:
    conversation = converse()
    assert hear(conversation, said) == answer
    assert not conversation.closed
    assert conversation.held == 0
    assert hear(conversation, b"version\r\n") == b"VERSION 9\r\n"


@given(
    st.lists(st.sampled_from([said for said in RECORDED if len(said) < 500]), max_size=8),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_how_the_input_is_cut_changes_nothing(commands: list[bytes], cuts: list[int]) -> None:
    whole = text = b"".join(commands)
    parts = []
    for size in cuts:
        parts.append(text[:size])
        text = text[size:]
    assert hear(converse(), *parts, text) == hear(converse(), whole)


@given(
    st.lists(
        st.sampled_from([said for said in RECORDED if len(said) < 500])
        | st.binary(max_size=5).map(b"get %b\r\n".__mod__)
        | st.sampled_from([b"get ", b"k\r\n", b"set k 0 0 3\r\n", b"abc\r\n", b"get k\r\n"]),
        max_size=12,
    )
)
def test_what_is_answered_at_once_is_what_steps_say(parts: list[bytes]) -> None:
    at_once, in_steps = converse(), converse()
    for part in parts:
        reply = at_once.answer(part)
        assert (hear(at_once, part) if reply is None else reply) == hear(in_steps, part)


def test_one_get_is_answered_at_once_when_nothing_is_under_way() -> None:
    conversation = converse()
    assert conversation.answer(b"get k\r\n") == b"END\r\n"
    assert conversation.answer(b"get k k\r\n") is None
    hear(conversation, b"set k 0 0 7\r\n")
    assert conversation.answer(b"get k\r\n") is None
    assert hear(conversation, b"get k\r\n\r\n") == b"STORED\r\n"
    assert conversation.answer(b"get k\r\n") == b"VALUE k 0 7\r\nget k\r\n\r\nEND\r\n"


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_garbage_neither_breaks_nor_fills_it(parts: list[bytes]) -> None:
    conversation = converse()
    hear(conversation, *parts)
    assert conversation.closed or conversation.held <= sum(map(len, parts))


def test_a_set_in_single_bytes() -> None:
    text = b"set k 0 0 5\r\nhello\r\nget k\r\n"
    parts = [text[at : at + 1] for at in range(len(text))]
    assert hear(converse(), *parts) == b"STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n"


def test_cas_numbers_come_with_gets() -> None:
    conversation = converse()
    reply = hear(conversation, b"set k 0 0 1\r\na\r\ngets k\r\n")
    unique = reply.split(b"\r\n")[1].split(b" ")[4]
    assert hear(conversation, b"gats 0 k\r\n").startswith(b"VALUE k 0 1 %b\r\n" % unique)
    assert hear(conversation, b"cas k 0 0 1 %b\r\nb\r\n" % unique) == b"STORED\r\n"
    assert hear(conversation, b"cas k 0 0 1 %b\r\nc\r\n" % unique) == b"EXISTS\r\n"


def test_thousands_of_keys_in_one_line() -> None:
    table = Table()
    keys = [b"fleet:b:%08x" % number for number in range(50_000)]
    for key in keys[::2]:
        table.set(key, key)
    reply = hear(converse(table), b"get " + b" ".join(keys) + b"\r\n")
    lines = [b"VALUE %b 0 16\r\n%b\r\n" % (key, key) for key in keys[::2]]
    assert reply == b"".join(lines) + b"END\r\n"


def test_a_long_answer_comes_in_small_parts() -> None:
    table = Table()
    table.set(b"k", bytes(500_000))
    conversation = converse(table)
    conversation.feed(b"get" + b" k" * 1000 + b"\r\n")
    parts = [conversation.step() or b"" for _ in range(20)]
    assert max(map(len, parts)) < 600_000
    table.delete(b"k")
    assert hear(conversation, b"") == b"END\r\n"


def test_no_step_takes_long() -> None:
    conversation = converse()
    conversation.feed(b"get" + b" k" * 500_000 + b"\r\n")
    slowest = 0.0
    while True:
        began = time.thread_time()
        if conversation.step() is None:
            break
        slowest = max(slowest, time.thread_time() - began)
    assert slowest < 0.03


@pytest.mark.parametrize(
    "said",
    [
        b"x" * 2049,
        b"x" * 2049 + b"\r\n",
        b"set " + b"k" * 2050,
        b" " * 3000 + b"get k\r\n",
        b"get " + b"k " * 600_000,
        b"\x80\x00\x00\x03foo",
        b"quit\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nflush_all\r\n",
    ],
    ids=lambda said: repr(said[:20]),
)
def test_hangs_up(said: bytes) -> None:
    conversation = converse()
    assert hear(conversation, said) == b""
    assert conversation.closed
    assert hear(conversation, b"version\r\n") == b""


def test_answers_what_came_before_quit() -> None:
    assert hear(converse(), b"version\r\nquit\r\nversion\r\n") == b"VERSION 9\r\n"


def test_a_get_may_be_a_mebibyte_long_and_come_slowly() -> None:
    conversation = converse()
    text = b"get " + b"k" * 250 + b" k" * 500_000
    assert hear(conversation, *(text[at : at + 9999] for at in range(0, len(text), 9999))) == b""
    assert not conversation.closed
    assert hear(conversation, b"\r\n") == b"END\r\n"


def test_refuses_what_memcached_would_have_cut_or_stored() -> None:
    for line in (b"set k 4294967296 0 1", b"set k 0 0 4294967297", b"set a\tb 0 0 1"):
        assert hear(converse(), line + b"\r\n") == BAD


def test_a_refused_value_is_not_kept_while_it_comes() -> None:
    conversation = converse()
    assert hear(conversation, b"set k 0 0 2000000000\r\n") == TOO_LARGE
    hear(conversation, *[bytes(100_000)] * 100)
    assert conversation.held == 0


def test_shows_statistics() -> None:
    assert hear(converse(), b"stats\r\n") == b"STAT pid 1\r\nSTAT kind \r\nEND\r\n"
    assert hear(converse(), b"stats settings\r\n") == b"STAT pid 1\r\nSTAT kind settings\r\nEND\r\n"
