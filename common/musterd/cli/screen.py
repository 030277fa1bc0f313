"""A terminal is borrowed for a whole page, and is as it was before however that ends."""

import os
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

_ENTER = "\x1b[?1049h\x1b[?25l"  # another page, and no cursor
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


class Screen:
    """A ``Screen`` is the page of a terminal; keys come from ``keys``, a file's number, or from nowhere."""

    def __init__(self, stream: TextIO, keys: int | None) -> None:
        self._stream = stream
        self.keys = keys
        self._shown: tuple[Sequence[str], tuple[int, int]] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return columns and lines as they are now."""
        found = os.get_terminal_size(self._stream.fileno())
        return (found.columns or 80, found.lines or 24)

    def show(self, lines: Sequence[str]) -> None:
        """Draw ``lines``, unless they are there."""
        if (told := (lines, self.size)) == self._shown:
            return
        self._shown = told
        page = "\r\n".join(line + _REST_OF_LINE for line in lines)
        self._stream.write(f"{_HOME}{page}{_REST}")
        self._stream.flush()

    def begin_anew(self) -> None:
        """Take the page again: somebody else had the terminal."""
        self._shown = None
        self._stream.write(_ENTER)


@contextmanager
def borrowed(stream: TextIO, keys: TextIO) -> Iterator[Screen]:
    """Give the terminal's page, and each key at once; give both back."""
    number = keys.fileno() if keys.isatty() else None
    before = None if number is None else termios.tcgetattr(number)
    try:
        if number is not None:
            tty.setcbreak(number)
        stream.write(_ENTER)
        yield Screen(stream, number)
    finally:
        stream.write(_LEAVE)
        stream.flush()
        if number is not None and before is not None:
            termios.tcsetattr(number, termios.TCSADRAIN, before)


def usual_size() -> tuple[int, int]:
    """Return columns and lines for one frame on its own."""
    return shutil.get_terminal_size() if sys.stdout.isatty() else (100, 60)
