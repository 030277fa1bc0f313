"""A binary COPY is parsed whole and right, however it is cut into chunks, or refused."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Beat, pack
from musterd.errors import ShardCorrupt
from musterd_coordinator.sweep.postgres.copy import Copy
from tests.unit.postgres_rows import HEADER, copy_of

SLOTS = st.integers(-(2**31), 2**31 - 1)
RECORDS = st.binary(min_size=64, max_size=64)
ROWS = st.lists(st.tuples(SLOTS, RECORDS), max_size=8)
CUTS = st.lists(st.integers(0, 700), max_size=8)


def parse(data: bytes, cuts: list[int] = []) -> list[tuple[int, bytes]]:  # noqa: B006 (only read)
    """The rows of a COPY that comes in chunks, cut at ``cuts``."""
    copy = Copy("db")
    rows: list[tuple[int, bytes]] = []
    for begin, end in pairwise(sorted({0, len(data), *cuts})):
        parsed = copy.rows(data[begin:end])
        rows += zip(parsed["slot"].tolist(), map(bytes, parsed["record"]), strict=True)
    copy.finish()
    return rows


@given(ROWS, CUTS)
def test_what_was_copied_is_parsed(rows: list[tuple[int, bytes]], cuts: list[int]) -> None:
    assert parse(copy_of(rows), cuts) == rows


def test_chunks_that_end_anywhere() -> None:
    rows = [(1, bytes(64)), (2, b"\xff" * 64), (3, bytes(range(64)))]
    whole = copy_of(rows)
    assert parse(whole, list(range(len(whole)))) == rows
    for cut in range(len(whole)):
        assert parse(whole, [cut]) == rows


def test_rows_come_with_the_chunk_that_ends_them() -> None:
    copy, whole = Copy("db"), copy_of([(1, bytes(64)), (2, bytes(64))])
    row, header = 78, len(HEADER)
    ends = [header + row - 1, header + row, header + 2 * row, len(whole)]
    chunks = [whole[begin:end] for begin, end in pairwise([0, *ends])]
    assert [len(copy.rows(chunk)) for chunk in chunks] == [0, 1, 1, 0]


@given(ROWS, CUTS, st.data())
def test_every_truncation_is_refused(
    rows: list[tuple[int, bytes]], cuts: list[int], data: st.DataObject
) -> None:
    whole = copy_of(rows)
    length = data.draw(st.integers(0, len(whole) - 1))
    # Cut just behind bytes that look like the end, a COPY of fewer rows is what it looks like.
    cut = whole[:length]
    fewer = [copy_of(rows[:count]) for count in range(len(rows))]
    if cut not in fewer:
        with pytest.raises(ShardCorrupt, match=r"db: .*COPY"):
            parse(cut, cuts)


@given(
    ROWS.filter(bool),
    st.sampled_from([0, 2, 10]),  # field count, length of the slot, length of the record
    CUTS,
    st.data(),
)
def test_wrong_counts_and_lengths_are_refused(
    rows: list[tuple[int, bytes]], field: int, cuts: list[int], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(rows) - 1))
    size = 2 if field == 0 else 4
    wrong = data.draw(st.binary(min_size=size, max_size=size))
    whole = bytearray(copy_of(rows))
    at = len(HEADER) + row * 78 + field
    if whole[at : at + size] != wrong:
        whole[at : at + size] = wrong
        with pytest.raises(ShardCorrupt, match="a row of a COPY has"):
            parse(bytes(whole), cuts)


@given(ROWS, st.integers(0, len(HEADER) - 1), st.integers(1, 255), CUTS)
def test_another_header_is_refused(
    rows: list[tuple[int, bytes]], at: int, flipped: int, cuts: list[int]
) -> None:
    whole = bytearray(copy_of(rows))
    whole[at] ^= flipped
    with pytest.raises(ShardCorrupt, match="does not begin as one"):
        parse(bytes(whole), cuts)


@given(st.binary(max_size=300), CUTS)
def test_anything_else_is_refused(data: bytes, cuts: list[int]) -> None:
    with pytest.raises(ShardCorrupt, match=r"COPY does not (begin|end) as one"):
        parse(data, cuts)


@given(ROWS, st.binary(min_size=1, max_size=200), CUTS)
def test_inserted_bytes_are_refused(
    rows: list[tuple[int, bytes]], extra: bytes, cuts: list[int]
) -> None:
    whole, extra = copy_of(rows), extra + b"\0" * (-len(extra) % 78)
    with pytest.raises(ShardCorrupt, match="COPY"):
        parse(whole[: len(HEADER)] + extra + whole[len(HEADER) :], cuts)


@given(ROWS, st.binary(min_size=1, max_size=200), CUTS)
def test_bytes_behind_the_end_are_refused(
    rows: list[tuple[int, bytes]], extra: bytes, cuts: list[int]
) -> None:
    with pytest.raises(ShardCorrupt, match="COPY"):
        parse(copy_of(rows) + extra, cuts)


def test_records_are_little_endian_in_a_big_endian_copy() -> None:
    beat = Beat(2**64 - 2, 2**63 + 1, 7, 1500)
    (row,) = Copy("db").rows(copy_of([(-3, pack(beat))]))
    assert (row["slot"], row["record"]["member_id"]) == (-3, 2**64 - 2)
    assert row["record"]["interval_ms"] == 1500
