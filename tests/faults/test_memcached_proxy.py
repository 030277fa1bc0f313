"""What can happen on the way to a memcached: a proxy that cuts stands between."""

import re
from collections.abc import Callable, Iterator
from itertools import cycle

import pytest

from musterd.testing import CuttingProxy
from musterd.testing.servers import Memcached
from tests.faults.conftest import StartLab
from tests.faults.lab import Lab
from tests.faults.locks import Open
from tests.faults.memcached_orders import explains, order
from tests.faults.proxied import Proxied

KIND = "one memcached behind a proxy"
LAST = 12.0  # seconds
full_only = pytest.mark.full_only

VALUE = re.compile(rb"VALUE \S+:b:([0-9a-f]{8}) 0 64\r\n")


@pytest.fixture
def way(memcached: Memcached) -> Iterator[Proxied]:
    """The way to a memcached."""
    with Proxied(memcached) as way:
        yield way


@pytest.fixture
def inner_way(memcached: Memcached, locks: Open) -> Iterator[Proxied]:
    """The way to a memcached of somebody who has its certificate."""
    with Proxied(memcached, locks.inside) as way:
        yield way


@full_only
@pytest.mark.parametrize("seconds", [0.1, 0.25, 0.5, 1.0, 5.0, 30.0])
def test_slow(way: Proxied, start_lab: StartLab, seconds: float) -> None:
    lab = start_lab(way.url, kind=KIND)
    with lab.fault(f"latency of {seconds:g} s"):
        way.delay(seconds)
        lab.last(max(LAST, seconds + 5))
        way.heal()
    outcome = lab.verify()
    if seconds >= 1:
        assert explains(outcome.explained, "not accepted within")


@full_only
@pytest.mark.parametrize("lost", ["requests", "replies"])
def test_packets_lost_one_way(way: Proxied, start_lab: StartLab, lost: str) -> None:
    lab = start_lab(way.url, kind=KIND)
    with lab.fault(f"all {lost} lost"):
        way.do(lambda proxy: getattr(proxy, lost).drop())
        lab.last(LAST)
        way.heal()
    assert explains(lab.verify().explained, "not accepted within")


@full_only
def test_black_hole(way: Proxied, start_lab: StartLab) -> None:
    def swallow(proxy: CuttingProxy) -> None:
        proxy.requests.drop()
        proxy.replies.drop()
        proxy.ignore_new()

    lab = start_lab(way.url, kind=KIND)
    with lab.fault("black hole, both ways"):
        way.do(swallow)
        lab.last(LAST)
        way.heal()
    assert explains(lab.verify().explained, "not accepted within")


@full_only
def test_old_connections_served_and_new_ones_refused(way: Proxied, start_lab: StartLab) -> None:
    lab = start_lab(way.url, kind=KIND)
    with lab.fault("new connections refused"):
        way.do(CuttingProxy.refuse_new)
        lab.last(LAST)
        way.heal()
    assert explains(lab.verify().explained, "connection refused")


@full_only
def test_connection_limit(way: Proxied, start_lab: StartLab) -> None:
    lab = start_lab(way.url, kind=KIND)
    with lab.fault("only three connections for eight"):
        way.do(lambda proxy: proxy.limit(3))
        way.do(CuttingProxy.reset_all)
        lab.last(LAST)
        way.heal()
    lab.verify()


@full_only
@pytest.mark.parametrize("after", [0, 7, 200, 1500])
def test_reset_in_mid_reply(way: Proxied, start_lab: StartLab, after: int) -> None:
    """Again and again, a few bytes further each time."""
    lab = start_lab(way.url, kind=KIND)
    with lab.fault(f"reset in mid-reply, {after} bytes on, four times a second"):
        for further in range(round(LAST / 0.25)):
            way.cut_replies(after + further)
            lab.last(0.25)
        way.heal()
    assert explains(lab.verify().explained, "connection reset")


@full_only
def test_flushed_when_slow(memcached: Memcached, way: Proxied, start_lab: StartLab) -> None:
    """An agent that must announce itself anew needs more round trips than a beat does."""
    lab = start_lab(way.url, kind=KIND)
    with lab.fault("flush_all at a latency of 0.25 s"):
        way.delay(0.25)
        lab.last(3)
        order(memcached, b"flush_all")
        lab.last(LAST)
        way.heal()
    lab.verify()


def swap_keys(chunk: bytes) -> bytes:
    """Every beat under the key of another one that was asked for."""
    keys = VALUE.findall(chunk)
    others = cycle([*keys[1:], *keys[:1]])
    return VALUE.sub(lambda found: found[0].replace(found[1], next(others)), chunk)


def change_keys(chunk: bytes) -> bytes:
    """Every value under a key that nobody asked for."""
    return chunk.replace(b"VALUE ", b"VALUE other-")


def spoil_beats(chunk: bytes) -> bytes:
    """Inverted bits in every beat, and in no canary."""
    at = {place for found in VALUE.finditer(chunk) for place in range(found.end(), found.end() + 8)}
    return bytes(byte ^ 0xFF if place in at else byte for place, byte in enumerate(chunk))


SPOILED = "spoiled, or stored for another member"
NONSENSE = "reply is not memcached's"
LATE = "not accepted within"
REFUSED = "did not store"
TWICE, UNASKED = "more than one reply", "reply that nobody asked for"
CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "replies with the keys of other beats": (swap_keys, SPOILED),
    "corrupted bytes in beats": (spoil_beats, SPOILED),
    "replies with keys that nobody asked for": (change_keys, "reply for another key"),
    "replies cut in half": (lambda chunk: chunk[: len(chunk) // 2], LATE),
    "replies twice": (lambda chunk: chunk * 2, TWICE),
    "garbage for replies": (lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", NONSENSE),
    "zeros for replies": (lambda chunk: bytes(len(chunk)), LATE),
    "every reply says END": (lambda _: b"END\r\n", NONSENSE),
    "every reply says STORED": (lambda _: b"STORED\r\n", NONSENSE),
    "every reply says NOT_STORED": (lambda _: b"NOT_STORED\r\n", REFUSED),
    "every reply is SERVER_ERROR": (lambda _: b"SERVER_ERROR out of memory\r\n", "out of memory"),
}
ALSO = {REFUSED: (NONSENSE,), TWICE: (UNASKED,)}
"""Which command met it first is chance: all but a plain set know that it is nonsense."""
SHORT = "replies with the keys of other beats"


@pytest.mark.parametrize(
    "what", [name if name == SHORT else pytest.param(name, marks=full_only) for name in CHANGES]
)
def test_changed_replies(inner_way: Proxied, start_lab: StartLab, what: str) -> None:
    lab: Lab = start_lab(inner_way.url, kind=KIND)
    function, word = CHANGES[what]
    with lab.fault(what):
        inner_way.change(function)
        lab.last(LAST)
        inner_way.heal()
    assert explains(lab.verify().explained, word, *ALSO.get(word, ()))
