"""Values and keys of the slot protocol."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.model import Member
from musterd.stores.slots.protocol import (
    RETIRED,
    SLOT_LIMIT,
    HolderError,
    Keys,
    read_counter,
    read_holder,
    read_slots,
    whole_ttl,
    write_holder,
    write_slots,
)

HOST = Member("compute", "host-1", "zone a", "öps", {"rack": "12"})


def test_keys_are_fixed() -> None:
    """Agents and coordinators of different versions meet in these."""
    keys = Keys("fleet")
    assert keys.counter == b"fleet:n"
    assert keys.free == b"fleet:f"
    assert keys.holder(0x1A) == b"fleet:m:0000001a"
    assert keys.beat(2**24 - 1) == b"fleet:b:00ffffff"
    assert keys.index(0xAB) == b"fleet:i:00000000000000ab"
    assert keys.identity(HOST) != Keys("other").identity(HOST)
    assert len(keys.canary("a")) == len(keys.canary("a much longer name")) == len(keys.beat(0))
    assert keys.canary("a") != keys.canary("b")


def test_a_holder_is_read_as_written() -> None:
    assert read_holder(write_holder(HOST)) == HOST
    assert read_holder(RETIRED) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_holder_or_refused(value: bytes) -> None:
    with suppress(HolderError):
        assert isinstance(read_holder(value), Member | None)


@pytest.mark.parametrize(
    "member",
    [
        Member("", "x"),
        Member("compute", "two words"),
        Member("compute", "x" * 256),
        Member("compute", "x", zone="line\nbreak"),
        Member("compute", "x", metadata={"k": "v" * 5000}),
    ],
)
def test_an_unusable_holder_is_refused(member: Member) -> None:
    with pytest.raises(HolderError):
        read_holder(write_holder(member))


def test_a_holder_of_a_later_version_is_understood() -> None:
    value = write_holder(HOST)
    assert value[0] == 0x85  # a map of five
    later = bytes([0x86]) + value[1:] + b"\xa5extra\xc3"
    assert read_holder(later) == HOST


@given(st.lists(st.integers(0, SLOT_LIMIT - 1)))
def test_slots_are_read_as_written(slots: list[int]) -> None:
    assert read_slots(write_slots(*slots)) == slots


@given(st.binary(max_size=40))
def test_any_bytes_are_slots_or_none(value: bytes) -> None:
    assert all(0 <= slot < SLOT_LIMIT for slot in read_slots(value))


def test_what_is_no_slot_is_left_out() -> None:
    assert read_slots(None) == []
    assert read_slots(b"") == []
    assert read_slots(b"0000000g00000002ffffffff0000") == [2]
    assert read_slots(b"0 0 0 0 ") == []


@pytest.mark.parametrize(
    ("value", "count"),
    [(None, 0), (b"", 0), (b"12", 12), (b"12  ", 12), (b"-1", 0), (b"1e3", 0), (b"9" * 30, 0)],
)
def test_counter(value: bytes | None, count: int) -> None:
    assert read_counter(value) == count


@pytest.mark.parametrize(
    ("seconds", "ttl"), [(0.01, 1), (1, 1), (600.4, 600), (10**9, 2592000), (2592000, 2592000)]
)
def test_a_ttl_is_neither_for_ever_nor_a_date(seconds: float, ttl: int) -> None:
    assert whole_ttl(seconds) == ttl
