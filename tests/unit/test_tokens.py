"""Making, reading and checking tokens, and what each rank is good for."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.tokens import (
    Rank,
    TokenOrder,
    check_token,
    check_token_order,
    digest,
    draw,
    fits,
    parts,
)


def test_a_new_token_is_its_id_and_a_secret_that_fits_what_is_kept() -> None:
    made = draw()
    assert re.fullmatch(r"mt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", made.text)
    found = parts(made.text)
    assert found is not None
    assert (found.id, fits(found.secret, made.digest)) == (made.id, True)
    assert not fits(found.secret, draw().digest)
    assert len({draw().text for _ in range(100)}) == 100


def test_only_the_very_text_of_a_secret_fits() -> None:
    """Its last character has two bits to spare, and another one would mean the same bytes."""
    secret = "A" * 43
    assert not fits("A" * 42 + "B", digest(secret))


@given(st.text(max_size=80) | st.from_regex(r"mt_[0-9a-f]{8}_.{40,45}"))
def test_whatever_is_no_token_is_seen_to_be_none(text: str) -> None:
    is_one = re.fullmatch(r"mt_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", text) is not None
    assert (parts(text) is not None) == is_one


@pytest.mark.parametrize(
    "text", ["", "mt_", "s3cret-of-another-program", "mt_0123abcd_" + "x" * 44]
)
def test_a_text_that_is_no_token_is_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match=r"what MUSTERD_TOKEN has is no token") as refused:
        check_token("MUSTERD_TOKEN", text)
    assert not text or text == "mt_" or text not in str(refused.value)


def test_a_token_in_a_file_may_end_its_line() -> None:
    made = draw()
    assert check_token("the file", f" {made.text}\n") == made.text


def test_each_rank_covers_those_before_it() -> None:
    ranks = list(Rank)
    assert ranks == ["reader", "operator", "admin"]
    for place, rank in enumerate(ranks):
        assert [each for each in ranks if rank.covers(each)] == ranks[: place + 1]


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (TokenOrder("a b", Rank.READER), "token name 'a b'"),
        (TokenOrder("a", Rank.READER, ("ü",)), "group name 'ü'"),
        (TokenOrder("a", Rank.READER, ("g", "g")), "named twice"),
        (TokenOrder("a", Rank.READER, days=0), "days is 0"),
        (TokenOrder("a", Rank.READER, days=float("nan")), "days is nan"),
        (TokenOrder("a", Rank.ADMIN, ("g",)), "all groups"),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(order: TokenOrder, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)):
        check_token_order(order)


def test_an_order_for_a_token_may_come_as_json() -> None:
    order = msgspec.json.decode(
        b'{"name": "ci", "role": "operator", "groups": ["g"], "days": 90}', type=TokenOrder
    )
    assert check_token_order(order) == TokenOrder("ci", Rank.OPERATOR, ("g",), 90)
