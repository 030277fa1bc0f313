"""One beat and its 64 bytes; many beats and their columns."""

import struct
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import (
    SIZE,
    VERSIONS,
    Beat,
    BeatError,
    Status,
    beat_in,
    member_id,
    new_incarnation,
    pack,
    unpack,
)
from musterd_coordinator.sweep.columns import (
    Beats,
    Rejected,
    all_good,
    of_other_version,
    parse,
    sift,
    words_in,
)

U16 = st.integers(0, 2**16 - 1)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
beats = st.builds(
    Beat,
    member_id=U64,
    incarnation=st.integers(1, 2**64 - 1),
    sequence=st.integers(1, 2**64 - 1),
    interval_ms=U32,
    status=st.sampled_from(Status),
    sent_ms=st.integers(-(2**63), 2**63 - 1),
    missed=U16,
    push_timeout_ms=U16,
    lag_ms=U32,
    mac=st.binary(min_size=16, max_size=16),
    version=st.sampled_from(VERSIONS),
)
GOOD = Beat(member_id=1, incarnation=2, sequence=3, interval_ms=1000)


@given(beats)
def test_a_beat_comes_back_as_it_was(beat: Beat) -> None:
    assert len(pack(beat)) == SIZE
    assert unpack(pack(beat)) == beat


def test_the_bytes_are_those_of_the_contract() -> None:
    beat = Beat(
        member_id=0x1122334455667788,
        incarnation=0x99AABBCCDDEEFF01,
        sequence=5,
        interval_ms=10_000,
        status=Status.DRAINING,
        sent_ms=1_700_000_000_000,
        missed=6,
        push_timeout_ms=5000,
        lag_ms=7,
    )
    expected = (
        "424d 01 02 10270000 8877665544332211 01ffeeddccbbaa99 0500000000000000"
        "0068e5cf8b010000 0600 8813 07000000 00000000000000000000000000000000"
    )
    assert pack(beat) == bytes.fromhex(expected)


def test_counters_stop_at_their_largest_value() -> None:
    counted = ("missed", "push_timeout_ms", "lag_ms", "interval_ms")
    again = unpack(pack(msgspec.structs.replace(GOOD, **dict.fromkeys(counted, 2**40))))
    short, long = 2**16 - 1, 2**32 - 1
    assert [getattr(again, name) for name in counted] == [short, short, long, long]


def test_a_beat_from_before_push_timeouts_were_told_reads_as_it_did() -> None:
    record = bytearray(pack(GOOD))
    record[40:44] = struct.pack("<I", 6)
    assert unpack(bytes(record)) == msgspec.structs.replace(GOOD, missed=6, push_timeout_ms=0)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BeatError, match="does not fit"):
        pack(msgspec.structs.replace(GOOD, sequence=2**64))


@pytest.mark.parametrize(
    ("at", "value", "what"),
    [
        (0, 0x41, "magic"),
        (2, 9, "version is 9"),
        (3, 4, "status is 4"),
        (16, 0, "never zero"),
        (24, 0, "never zero"),
    ],
)
def test_one_wrong_field_is_named(at: int, value: int, what: str) -> None:
    record = bytearray(pack(GOOD))
    record[at] = value
    with pytest.raises(BeatError, match=what):
        unpack(bytes(record))


@given(st.binary(max_size=2 * SIZE))
def test_any_bytes_are_a_beat_or_a_beat_error(data: bytes) -> None:
    try:
        beat = unpack(data)
    except BeatError:
        return
    assert pack(beat) == data


@given(st.lists(beats, max_size=30))
def test_many_parse_to_the_columns_of_each(given_beats: list[Beat]) -> None:
    slots = np.arange(100, 100 + len(given_beats))
    columns, rejected = parse(slots, b"".join(map(pack, given_beats)))
    assert rejected == Rejected()
    assert columns.slot.tolist() == slots.tolist()
    for name in Beats._fields[1:]:
        assert getattr(columns, name).tolist() == [getattr(beat, name) for beat in given_beats]


@dataclass(frozen=True)
class Spoilt:
    """A record with bytes overwritten, and how parsing must count it."""

    at: int
    bytes_: bytes
    counted: str


SPOILT = [
    Spoilt(0, b"\0\0", "magic"),
    Spoilt(2, b"\3", "version"),
    Spoilt(3, b"\4", "field"),
    Spoilt(16, bytes(8), "field"),
    Spoilt(24, bytes(8), "field"),
]


@given(st.lists(st.sampled_from([None, *SPOILT]), max_size=30))
def test_spoilt_records_are_counted_and_the_others_kept(fates: list[Spoilt | None]) -> None:
    data, kept = bytearray(), []
    counts = dict.fromkeys(Rejected._fields, 0)
    for number, fate in enumerate(fates, 1):
        record = bytearray(pack(msgspec.structs.replace(GOOD, sequence=number)))
        if fate is None:
            kept.append(number)
        else:
            record[fate.at : fate.at + len(fate.bytes_)] = fate.bytes_
            counts[fate.counted] += 1
        data += record
    columns, rejected = parse(np.arange(len(fates)), data)
    assert columns.sequence.tolist() == kept
    assert rejected._asdict() == counts


KINDS = [
    b"",
    b"\x42\x4d\1",
    b"\x42\x4d\2",
    b"\x42\x4d\1\3",
    b"\x42\x4d\2\3",
    b"\x42\x4d\2\4",
    b"\x42\x4d\3",
    b"\x43\x4d\1",
    b"\x42\x4d\0",
]


@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=9), st.integers(1, 5))
def test_to_see_that_all_are_good_is_to_sift_them(kinds: list[bytes], times: int) -> None:
    """Agents with a key and such without one may share a store; mixed or not is no matter."""
    whole = b"".join(kind + pack(GOOD)[len(kind) :] for kind in kinds * times)
    words = words_in(whole, len(whole) // SIZE, 0, SIZE)
    good, rejected = sift(words)
    assert all_good(words) == good.all()
    assert rejected.version == of_other_version(words).sum()
    singly = [whole[at : at + SIZE] for at in range(0, len(whole), SIZE)]
    assert good.tolist() == [beat_in(one) is not None for one in singly]


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_one_and_many_agree_on_any_bytes(data: bytes) -> None:
    columns, _ = parse(np.array([0]), data)
    try:
        expected = [unpack(data).sequence]
    except BeatError:
        expected = []
    assert columns.sequence.tolist() == expected


@pytest.mark.parametrize("length", [0, SIZE - 1, SIZE + 1])
def test_a_length_that_does_not_match_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="records of 64"):
        parse(np.array([0]), bytes(length))


def test_members_are_told_apart_by_all_three_names() -> None:
    names = [("a", "b", "c"), ("a", "c", "b"), ("b", "b", "c"), ("a", "b", "d")]
    assert len({member_id(*each) for each in names}) == len(names)
    digest = struct.pack("<Q", member_id("musterd", "compute", "host-0042"))
    assert digest.hex() == "1e83dbe76d681e84"  # stored by fleets that run: it must never change


def test_incarnations_are_random_and_never_zero() -> None:
    drawn = {new_incarnation() for _ in range(1000)}
    assert len(drawn) == 1000
    assert min(drawn) > 0
    assert max(drawn) < 2**64
