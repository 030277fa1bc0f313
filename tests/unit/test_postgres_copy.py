"""A binary COPY is parsed whole and right, or refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Beat, pack
from musterd.stores.postgres_copy import parse_copy

NO_COPY = r"COPY|bytes of rows"
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
SLOTS = st.integers(-(2**31), 2**31 - 1)
RECORDS = st.binary(min_size=64, max_size=64)
ROWS = st.lists(st.tuples(SLOTS, RECORDS), max_size=8)


def copy_of(rows: list[tuple[int, bytes]]) -> bytes:
    packed = (struct.pack(">hiii", 2, 4, slot, len(record)) + record for slot, record in rows)
    return HEADER + b"".join(packed) + struct.pack(">h", -1)


@given(ROWS)
def test_what_was_copied_is_parsed(rows: list[tuple[int, bytes]]) -> None:
    parsed = parse_copy(copy_of(rows))
    assert parsed["slot"].tolist() == [slot for slot, _ in rows]
    assert [record.tobytes() for record in parsed["record"]] == [record for _, record in rows]


@given(ROWS, st.data())
def test_every_truncation_is_refused(rows: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = copy_of(rows)
    length = data.draw(st.integers(0, len(whole) - 1))
    # Cut just behind bytes that look like the end, a COPY of fewer rows is what it looks like.
    cut = whole[:length]
    fewer = [copy_of(rows[:count]) for count in range(len(rows))]
    if cut not in fewer:
        with pytest.raises(ValueError, match=NO_COPY):
            parse_copy(cut)


@given(
    ROWS.filter(bool),
    st.sampled_from([0, 2, 10]),  # field count, length of the slot, length of the record
    st.data(),
)
def test_wrong_counts_and_lengths_are_refused(
    rows: list[tuple[int, bytes]], field: int, data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    size = 2 if field == 0 else 4
    wrong = data.draw(st.binary(min_size=size, max_size=size))
    whole = bytearray(copy_of(rows))
    at = len(HEADER) + row * 78 + field
    if whole[at : at + size] != wrong:
        whole[at : at + size] = wrong
        with pytest.raises(ValueError, match="a row of a COPY has"):
            parse_copy(whole)


@given(st.binary(max_size=300))
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=NO_COPY):
        parse_copy(data)


@given(ROWS, st.binary(min_size=1, max_size=200))
def test_inserted_bytes_are_refused(rows: list[tuple[int, bytes]], extra: bytes) -> None:
    whole = copy_of(rows)
    with pytest.raises(ValueError, match=NO_COPY):
        parse_copy(whole[: len(HEADER)] + extra + b"\0" * (-len(extra) % 78) + whole[19:])


def test_records_are_little_endian_in_a_big_endian_copy() -> None:
    beat = Beat(2**64 - 2, 2**63 + 1, 7, 1500)
    (row,) = parse_copy(copy_of([(-3, pack(beat))]))
    assert (row["slot"], row["record"]["member_id"]) == (-3, 2**64 - 2)
    assert row["record"]["interval_ms"] == 1500
