"""The embedded store's server and a real memcached, told the same things, answer the same."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musterd.stores.table.table import Table
from musterd.testing.servers import HOST, Memcached
from musterd_coordinator.memcache.server import serve
from tests.examples import examples
from tests.patiently import done_within

# Blank lines fill up whatever a data block of a wrong length left open.
TAIL = b"\r\n" * 40 + b"stats reset\r\n"
WITH_CAS = re.compile(rb"(VALUE (\S+) \d+ \d+) (\d+)\r\n")

LONG_KEY = b"x" * 250
PRELUDE = [
    *(b"flush_all\r\n", b"set a 5 0 3\r\nabc\r\n", b"set b 0 0 2\r\n10\r\n"),
    *(
        b"set " + LONG_KEY + b" 0 100 20\r\n18446744073709551615\r\n",
        b"gets a b " + LONG_KEY + b"\r\n",
    ),
]

keys = st.sampled_from([b"a", b"a", b"a", b"b", b"b", b"b", LONG_KEY, "é".encode()])
values = st.one_of(
    st.binary(max_size=12).map(lambda value: value if value.strip() else b"-"),
    st.integers(0, 2**64 - 1).map(lambda n: b"%d" % n),
    st.sampled_from([b"0", b"9", b"10", b" 7", b"-1", b"+3", b"7 ", b"5\0x", b"x\r\n", b"END\r\n"]),
)
large_values = st.sampled_from([300, 600_000, 1_048_000, 1_048_576]).map(lambda size: b"x" * size)
exptimes = st.sampled_from([0, 0, 100, 100, -1, 2_592_000, 2_592_001, 2_000_000_000])
tails = st.sampled_from([b"", b"", b"", b" noreply", b" other"])


@st.composite
def stores(draw: st.DrawFn, values: st.SearchStrategy[bytes], errors: list[int]) -> bytes:
    verb = draw(st.sampled_from([b"set", b"add", b"replace", b"append", b"prepend", b"cas"]))
    value = draw(values)
    size = len(value) + draw(st.sampled_from(errors))
    line = b"%b %b %d %d %d" % (
        verb,
        draw(keys),
        draw(st.sampled_from([0, 7, 2**32 - 1])),
        draw(exptimes),
        max(size, 0),
    )
    if verb == b"cas":
        line += draw(st.sampled_from([b" <cas>", b" <cas>", b" 0", b" 99999999"]))
    return line + draw(tails) + b"\r\n" + value + b"\r\n"


@st.composite
def gets(draw: st.DrawFn, most: int) -> bytes:
    verb = draw(st.sampled_from([b"get", b"gets", b"gat %d", b"gats %d"]))
    if b"%" in verb:
        verb %= draw(exptimes)
    return verb + b" " + b" ".join(draw(st.lists(keys, min_size=1, max_size=most))) + b"\r\n"


@st.composite
def others(draw: st.DrawFn) -> bytes:
    key = draw(keys)
    number = draw(st.one_of(st.integers(0, 20), st.sampled_from([2**63, 2**64 - 1])))
    line = draw(
        st.sampled_from(
            [
                b"incr %b %d" % (key, number),
                b"decr %b %d" % (key, number),
                b"touch %b %d" % (key, draw(exptimes)),
                b"delete %b" % key,
                b"delete %b 0" % key,
                b"incr %b %d" % (key, number),
                b"decr %b %d" % (key, number),
                b"touch %b %d" % (key, draw(exptimes)),
                b"flush_all",
                b"verbosity 0",
            ]
        )
    )
    return line + draw(st.sampled_from([b"", b"", b" noreply"])) + b"\r\n"


bad_lines = st.sampled_from(
    [
        *(b"", b" ", b"get", b"gets ", b"foo", b"SET a 0 0 1", b"set a 0 0", b"incr a", b"delete"),
        *(b"set a 0 0 -1", b"touch a", b"touch a x", b"incr a x", b"incr a -1", b"gat x a"),
        *(b"delete a 5", b"delete a 0 0", b"flush_all x", b"flush_all 0 0 0", b"verbosity"),
        *(b"verbosity x", b"verbosity 1 2 3", b"stats nothing", b"get " + b"y" * 251),
        *(b"delete " + b"y" * 251, b"touch " + b"y" * 251 + b" 0", b"incr " + b"y" * 251 + b" 0"),
        *(b"incr a 18446744073709551616", b"a b c d e f g h i j", b"version", b"cas a 0 0 1"),
    ]
).map(lambda line: line + b"\r\n")

# A data block of a wrong length shifts all that follows, which must then stay small: how long a
# line memcached reads depends on how it arrives.
tidy = st.one_of(
    stores(values, [0]),
    stores(st.one_of(values, large_values), [0]),
    gets(100),
    others(),
    bad_lines,
)
untidy = st.one_of(stores(values, [0, 0, 1, 3, -1]), gets(6), others(), bad_lines)
# memcached before 1.6.40 drops replies that still wait when it meets a key that is too long.
scripts = st.lists(
    st.one_of([st.lists(kind, min_size=5, max_size=25) for kind in (tidy, untidy)]).filter(
        lambda script: not any(line.startswith(b"get y") for line in script[1:])
    ),
    min_size=1,
    max_size=4,
)
cuts = st.lists(st.integers(1, 60), max_size=5)


class Client:
    """One connection. Cas numbers are shown by the order in which they were first seen."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seen: dict[bytes, int] = {}
        self._latest: dict[bytes, bytes] = {}

    def close(self) -> None:
        self._socket.close()

    def play(self, script: list[bytes], cuts: list[int]) -> bytes:
        """Send all commands at once, cut after each of these counts, and give the replies."""
        text = b"".join(map(self._with_cas, script)) + TAIL
        for size in cuts:
            self._socket.sendall(text[:size])
            text = text[size:]
        self._socket.sendall(text)
        return WITH_CAS.sub(self._without_cas, self._read())

    def _read(self) -> bytes:
        replies = bytearray()
        while not replies.endswith(b"ERROR\r\nRESET\r\n"):
            data = self._socket.recv(1 << 20)
            if not data:
                return bytes(replies) + b"<closed>"
            replies += data
        return re.sub(rb"VERSION [^\r]*", b"VERSION", bytes(replies))

    def _with_cas(self, command: bytes) -> bytes:
        key = command.split(b" ", 2)[1:2]
        return command.replace(b"<cas>", self._latest.get(b"".join(key), b"12345678"))

    def _without_cas(self, match: "re.Match[bytes]") -> bytes:
        self._latest[match[2]] = match[3]
        return b"%b cas%d\r\n" % (match[1], self._seen.setdefault(match[3], len(self._seen)))


@contextmanager
def embedded() -> Iterator[int]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serve(HOST, 0, Table())) as server,
    ):
        yield server.port


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    # Its background threads hold items for moments in which decr does not pad with blanks.
    steady = ("-m", "64", "-t", "1", "-o", "no_lru_maintainer,no_lru_crawler")
    with Memcached(*steady) as real, embedded() as ours:
        yield real.port, ours


@given(scripts=scripts, cuts=cuts)
@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
def test_answers_as_memcached_does(
    ports: tuple[int, int], scripts: list[list[bytes]], cuts: list[int]
) -> None:
    real, ours = Client(ports[0]), Client(ports[1])
    try:
        for script in [PRELUDE, *scripts]:
            assert ours.play(script, cuts) == real.play(script, cuts)
    finally:
        real.close()
        ours.close()


def _replies(client: Client, *scripts: list[bytes]) -> list[bytes]:
    return [client.play(script, []) for script in scripts]


def test_time_passes_as_in_memcached() -> None:
    """By memcached's clock of whole seconds an item of 2 s lives for more than 1 and at most 2."""
    life = 2
    stored = [
        *(b"set short 0 %d 1\r\n-\r\n" % life, b"set long 0 1000 1\r\n-\r\n"),
        *(b"set touched 0 0 1\r\n-\r\n", b"touch touched %d\r\n" % life),
        *(b"gat %d long\r\n" % life, b"touch long 1000\r\n"),
    ]
    look = [b"get short long touched\r\n"]
    with Memcached() as real, embedded() as ours, Memcached() as flushed, embedded() as emptied:
        aging = [Client(port) for port in (real.port, ours)]
        doomed = [Client(port) for port in (flushed.port, emptied)]
        for pair in (aging, doomed):
            asked = (partial(_replies, client, stored, look) for client in pair)
            real_said, our_said = (done_within(life - 1, ask) for ask in asked)
            assert real_said == our_said
            assert our_said[-1].count(b"VALUE") == 3
        flush = [b"flush_all %d\r\n" % (life + 1), b"set long 0 0 1\r\n-\r\n"]
        for client in doomed:
            _, seen = done_within(life, partial(_replies, client, flush, [b"get long\r\n"]))
            assert seen.count(b"VALUE") == 1
        time.sleep(life + 1.1)
        for client in aging:
            assert client.play(look, []).startswith(b"VALUE long 0 1\r\n-\r\nEND\r\n")
        for client in doomed:
            assert client.play(look, []).startswith(b"END\r\n")
            client.close()
        for client in aging:
            client.close()
