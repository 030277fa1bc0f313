"""Keys and values that Nova's driver finds, and what services write of themselves."""

import pickle
import zlib
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.nova.beats import LONGEST, is_beat
from musterd_coordinator.nova.values import CREATED, key_of, value_of
from tests.nova_values import NOVA_34, cached, unpickled

WHEN = datetime(2026, 11, 30, 14, 49, 5, 158_690)  # noqa: DTZ001  # as Nova writes it


def test_a_key_is_what_oslo_cache_makes_of_topic_and_host() -> None:
    assert key_of("compute", "host-0042") == b"a79253ae18552c886254453345adfdf340d32110"


@given(st.floats(0, 253_402_300_799))
def test_a_value_is_a_time_that_no_clock_calls_old(seen: float) -> None:
    value = value_of(seen)
    payload, metadata = unpickled(value)
    assert len(value) == 96
    assert abs((payload - datetime(1970, 1, 1)).total_seconds() - seen) < 1e-4  # noqa: DTZ001
    assert metadata == {"ct": CREATED, "v": 2}
    assert is_beat(1, value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_a_service_writes_is_known_in_each_protocol_of_pickle(protocol: int) -> None:
    value = cached(WHEN, protocol)
    assert is_beat(1, value)
    assert is_beat(9, zlib.compress(value))


@pytest.mark.parametrize("client", NOVA_34)
def test_what_nova_34_wrote_is_known(client: str) -> None:
    flags, value = NOVA_34[client]
    assert is_beat(flags, value)


@pytest.mark.parametrize("flags", [0, 2, 4, 8, 16, 17, 1 << 20])
def test_only_a_pickle_is_one(flags: int) -> None:
    assert not is_beat(flags, cached(WHEN, 5))


@pytest.mark.parametrize("payload", ["nova", None, 7, {"seen": WHEN}, [WHEN]])
def test_other_values_of_the_same_cache_are_none(payload: object) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert not is_beat(1, cached(payload, protocol))


def test_a_datetime_alone_is_none() -> None:
    assert not is_beat(1, pickle.dumps((WHEN, {"ct": 1.0, "v": 2, "CachedValue": ""})))


HOSTILE = {
    "runs a program": b"\x80\x03cposix\nsystem\nX\x02\x00\x00\x00ls\x85R.",
    "notes beyond all memory": cached(WHEN, 0).replace(b"p1\n", b"p2147483647\n"),
    "the same in binary": b"\x80\x02K\x01r\xff\xff\xff\x7f.",
    "a frame beyond its end": b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.",
    "grows when it is unpacked": zlib.compress(bytes(1 << 24)),
    "is long": cached("x" * LONGEST, 5),
    "builds": b"\x80\x03cdogpile.cache.api\nCachedValue\nN}\x86\x81}X\x01\x00\x00\x00aNsb.",
    "ends at once": b".",
    "is nothing": b"",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_means_harm_is_none(what: str) -> None:
    assert not is_beat(1, HOSTILE[what] + b"CachedValue")
    assert not is_beat(1, HOSTILE[what])
    assert not is_beat(9, HOSTILE[what])


@given(
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    at=st.integers(0, 250),
    junk=st.binary(max_size=9),
    cut=st.integers(0, 9),
)
def test_nothing_that_looks_like_one_does_harm(
    protocol: int, at: int, junk: bytes, cut: int
) -> None:
    value = cached(WHEN, protocol)
    spoiled = value[:at] + junk + value[at + cut :]
    assert is_beat(1, spoiled) in (True, False)
    assert is_beat(9, zlib.compress(spoiled)) in (True, False)
    assert is_beat(9, spoiled) in (True, False)
