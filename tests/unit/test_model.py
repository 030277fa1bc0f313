"""What may be a text that hosts and operators give."""

import unicodedata

import pytest

from musterd.errors import ConfigError
from musterd.model import check_text

DIRECTIONS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
HARMFUL = {"Cc", "Cs", "Zl", "Zp"}


def is_taken(text: str) -> bool:
    """Whether it can be a zone."""
    try:
        return check_text("zone", text) == text
    except ConfigError:
        return False


def test_only_characters_that_do_harm_are_refused() -> None:
    for character in map(chr, range(0x110000)):
        harmful = (
            unicodedata.category(character) in HARMFUL
            or unicodedata.bidirectional(character) in DIRECTIONS
        )
        assert is_taken(character) is not harmful, ascii(character)


@pytest.mark.parametrize("text", ["a\n", "\na", "ok\udc80", "\U00033f94\n", "\u202e\U00033f94"])
def test_one_that_does_harm_is_enough(text: str) -> None:
    with pytest.raises(ConfigError, match="has control characters, line separators or overrides"):
        check_text("zone", text)
