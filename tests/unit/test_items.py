"""Keys and numbers as memcached reads them."""

from hypothesis import given
from hypothesis import strategies as st

from musterd.stores.table.items import parse_integer, parse_unsigned, valid_key


@given(st.integers(0, 2**64 - 1))
def test_reads_every_counter_that_fits(number: int) -> None:
    assert parse_unsigned(b"%d" % number) == number
    assert parse_unsigned(b" +000%d \0junk" % number) == number
    assert parse_unsigned(b"%dx" % number) is None


def test_reads_numbers_as_strtoull_does() -> None:
    assert parse_unsigned(b"-18446744073709551615") == 1
    assert parse_unsigned(b"-0") == 0
    for text in (b"", b" ", b"x", b"-1", b"18446744073709551616", b"9" * 5000, b"1.5", b"+-1"):
        assert parse_unsigned(text) is None
    assert parse_unsigned(b"0" * 5000 + b"7") == 7


@given(st.binary(max_size=25))
def test_reads_nothing_else_as_an_integer(text: bytes) -> None:
    number = parse_integer(text, -100, 100)
    assert number is None or (int(text) == number and -100 <= number <= 100)


@given(st.binary(max_size=260))
def test_a_good_key_travels_as_one_word(key: bytes) -> None:
    fits = 1 <= len(key) <= 250 and all(byte > 32 and byte != 127 for byte in key)
    assert valid_key(key) == fits
