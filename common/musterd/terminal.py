"""The module knows what a terminal may be shown."""

import os
from collections.abc import Mapping
from typing import TextIO


def may_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Say whether colours are welcome: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def visible(text: str) -> str:
    """Return ``text`` with escapes for what would move a cursor, end a line or hide a word."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
