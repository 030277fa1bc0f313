"""By the binary protocol too a server of ours and a real memcached, told the same, answer the same."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musterd.stores.table.table import Table
from musterd.testing.servers import HOST, Memcached
from musterd_coordinator.memcache.server import MemcacheServer
from tests import binary_packets as p
from tests.binary_packets import Reply, counting, expiring, packet, replies, storing
from tests.examples import examples

LONG_KEY = b"x" * 250
LAST = 0xFFFF_FFFF
MANY_BYTES = 1 << 20
COUNTERS = (p.INCREMENT, p.DECREMENT, p.INCREMENTQ, p.DECREMENTQ)
SENT = packet(p.NOOP, opaque=LAST - 1)
"""Before it is answered, all replies to what was asked before are sent."""

PRELUDE = [
    packet(p.FLUSH),
    packet(p.SET, b"a", b"abc", extras=storing(5)),
    packet(p.SET, b"b", b"10", extras=storing()),
    packet(p.SET, LONG_KEY, b"18446744073709551615", extras=storing(0, 100)),
    packet(p.GET, b"a"),
    packet(p.GET, b"b"),
    packet(p.GET, LONG_KEY),
]

keys = st.sampled_from([b"a", b"a", b"b", b"b", LONG_KEY, "é".encode()])
# After blanks alone memcached reads on, into what is behind the item.
values = st.one_of(
    st.binary(max_size=12).map(lambda value: value if value.strip() or not value else b"-"),
    st.integers(0, 2**64 - 1).map(lambda n: b"%d" % n),
    st.sampled_from([b"0", b"9", b"10", b" 7", b"-1", b"+3", b"7 ", b"5\0x", b"x\r\n"]),
    st.sampled_from([300, 600_000, 1_048_000, 1_048_576]).map(lambda size: b"x" * size),
)
exptimes = st.sampled_from([0, 0, 100, 100, 2_592_000, 2_592_001, 2_000_000_000])
cases = st.sampled_from([0, 0, 0, -1, 99_999_999])  # -1: the newest that was seen of the key
numbers = st.one_of(st.integers(0, 20), st.sampled_from([2**63, 2**64 - 1]))
Order = tuple[bytes, int]


@st.composite
def orders(draw: st.DrawFn) -> Order:
    key, cas = draw(keys), draw(cases)
    kind = draw(st.integers(0, 5))
    if kind == 0:
        opcode = draw(st.sampled_from([p.SET, p.ADD, p.REPLACE, p.SETQ, p.ADDQ, p.REPLACEQ]))
        extras = storing(draw(st.sampled_from([0, 7, 2**32 - 1])), draw(exptimes))
        return packet(opcode, key, draw(values), extras=extras), cas
    if kind == 1:
        opcode = draw(st.sampled_from([p.APPEND, p.PREPEND, p.APPENDQ, p.PREPENDQ]))
        return packet(opcode, key, draw(values)), cas
    if kind == 2:
        opcode = draw(st.sampled_from([p.INCREMENT, p.DECREMENT, p.INCREMENTQ, p.DECREMENTQ]))
        expiry = draw(st.sampled_from([0, 100, 2**32 - 1]))
        return packet(opcode, key, extras=counting(draw(numbers), draw(numbers), expiry)), cas
    if kind == 3:
        opcode = draw(st.sampled_from([p.TOUCH, p.GAT, p.GATQ, p.GATK, p.GATKQ]))
        return packet(opcode, key, extras=expiring(draw(exptimes))), 0
    if kind == 4:
        opcode = draw(st.sampled_from([p.GET, p.GETQ, p.GETK, p.GETKQ, p.DELETE, p.DELETEQ]))
        return packet(opcode, key), cas
    return draw(rare), 0


rare = st.sampled_from(
    [
        *(packet(p.NOOP), packet(p.FLUSH), packet(p.FLUSHQ, extras=expiring(0))),
        *(packet(p.STAT, b"nothing"), packet(p.STAT, b"reset"), packet(p.LIST_MECHS)),
        *(packet(p.AUTH, b"PLAIN", b"\0u\0p"), packet(0x77), packet(p.VERSION)),
    ]
)
ends = st.sampled_from(
    [
        *(b"", b"", packet(p.QUIT), packet(p.QUITQ), packet(p.GET), packet(p.SET, b"a", b"b")),
        *(packet(p.GET, b"k" * 251), packet(p.NOOP, b"k"), packet(p.FLUSH, extras=b"\0")),
        *(packet(p.INCREMENT, b"k", extras=b"\0" * 8), packet(p.TOUCH, b"k"), packet(p.AUTH)),
        p.HEADER.pack(0x80, p.GET, 5, 0, 0, 0, 3, 0, 0) + b"abcde",
    ]
)
scripts = st.lists(st.lists(orders(), min_size=5, max_size=25), min_size=1, max_size=4)
cuts = st.lists(st.integers(1, 60), max_size=5)


class Client:
    """One connection. Cas numbers are shown by the order in which they were first seen."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), 60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._seen: dict[int, int] = {0: 0}
        self._latest: dict[bytes, int] = {}

    def close(self) -> None:
        self._socket.close()

    def play(self, script: list[Order], cuts: list[int], end: bytes = b"") -> list[Reply]:
        """Send all at once, cut after each of these counts, and give the replies."""
        sent = [self._numbered(at, *order) for at, order in enumerate(script)]
        text = b"".join(sent) + end + packet(p.NOOP, opaque=LAST)
        for size in cuts:
            self._socket.sendall(text[:size])
            text = text[size:]
        self._socket.sendall(text)
        return [self._without_cas(sent, one) for one in replies(self._read())]

    def _read(self) -> bytes:
        said = bytearray()
        last = packet(p.NOOP, opaque=LAST).replace(b"\x80", b"\x81", 1)
        while not said.endswith(last):
            data = self._socket.recv(MANY_BYTES)
            if not data:
                return bytes(said)
            said += data
        return bytes(said)

    def _numbered(self, at: int, order: bytes, cas: int) -> bytes:
        *words, _, _ = p.HEADER.unpack_from(order)
        number = self._latest.get(_key_of(order), 12345678) if cas < 0 else cas
        numbered = p.HEADER.pack(*words, at, number) + order[p.HEADER.size :]
        # An item in a reply that is not sent yet is not changed in place, and then not padded.
        return SENT + numbered if order[1] in COUNTERS else numbered

    def _without_cas(self, sent: list[bytes], one: Reply) -> Reply:
        if one.opaque < len(sent) and one.cas:
            self._latest[_key_of(sent[one.opaque].removeprefix(SENT))] = one.cas
        value = b"" if one.opcode == p.VERSION else one.value
        return one._replace(cas=self._seen.setdefault(one.cas, len(self._seen)), value=value)


def _key_of(order: bytes) -> bytes:
    _, _, key, extras, *_ = p.HEADER.unpack_from(order)
    begin = p.HEADER.size + extras
    return order[begin : begin + key]


class Speaker(MemcacheServer):
    """The server as the door to Nova has it."""

    speaks_binary = True


@asynccontextmanager
async def speaking() -> AsyncIterator[Speaker]:
    server = Speaker(HOST, 0, Table())
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    # Its background threads hold items for moments in which decr does not pad with blanks.
    steady = ("-m", "64", "-t", "1", "-o", "no_lru_maintainer,no_lru_crawler")
    with (
        Memcached(*steady) as real,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(speaking()) as ours,
    ):
        yield real.port, ours.port


@given(scripts=scripts, cuts=cuts, end=ends)
@settings(max_examples=examples(150), suppress_health_check=list(HealthCheck))
def test_answers_as_memcached_does(
    ports: tuple[int, int], scripts: list[list[Order]], cuts: list[int], end: bytes
) -> None:
    real, ours = Client(ports[0]), Client(ports[1])
    try:
        for script in [[(order, 0) for order in PRELUDE], *scripts]:
            assert ours.play(script, cuts) == real.play(script, cuts)
        assert ours.play([], [], end) == real.play([], [], end)
    finally:
        real.close()
        ours.close()
