"""The writer of a trace takes lines without waiting, and has them written when somebody flushes it.

What cannot be written is lost, counted and said in the log. A file that lost something ends there, and
whoever gives it lines is asked to begin another one, which says how many were lost.
"""

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from musterd.errors import ConfigError
from musterd.logger import get_logger
from musterd.trace.folder import OPEN, TraceFolder
from musterd.trace.lines import TraceHeader, TraceLine, encoded

log = get_logger(__name__)

FILE_BYTES = 8_000_000
"""Bytes of lines, before they are compressed, after which another file begins."""

MOST_WAITING = 32_000_000
"""Bytes that may wait to be written."""

_FILES = 4  # that fit into a folder at least, before they are compressed


class _Piece(NamedTuple):
    """A `_Piece` is text of ``lines`` lines, which ``begins`` a file or goes on with it."""

    text: bytes
    lines: int
    begins: bool


class TraceWriter:
    """A ``TraceWriter`` writes the files of the run ``run`` into ``folder``.

    :meth:`begin` and :meth:`write` never wait and never fail. :meth:`flush` and :meth:`close` wait for the
    disk, and may be called from other threads.
    """

    def __init__(self, folder: TraceFolder, run: str, *, most_waiting: int = MOST_WAITING) -> None:
        self._folder = folder
        self._run = run
        self._most_waiting = most_waiting
        self._pieces = deque[_Piece]()
        self._waiting = 0  # bytes
        self._changing, self._writing = Lock(), Lock()
        self._begun = 0  # files
        self._fd = -1
        self._file: Path | None = None
        self._failed = ""  # why the newest file could not be written
        self.lost = 0
        """Lines that could not be written, in all."""
        self.is_broken = True
        """Whether another file must begin before anything can be written: so it is at first."""

    @property
    def file_bytes(self) -> int:
        """Return how many bytes of lines a file may have."""
        return min(FILE_BYTES, self._folder.most_bytes // _FILES)

    def begin(self, header: TraceHeader) -> None:
        """Begin another file."""
        with self._changing:
            self.is_broken = False
            self._put(_Piece(encoded([header]), 1, begins=True))

    def write(self, lines: Sequence[TraceLine]) -> int:
        """Take ``lines``; return how many bytes they have."""
        if not lines:
            return 0
        text = encoded(lines)
        with self._changing:
            if self.is_broken or self._waiting + len(text) > self._most_waiting:
                self._lose(len(lines))
            else:
                self._put(_Piece(text, len(lines), begins=False))
        return len(text)

    def lose(self, lines: int) -> None:
        """Count ``lines`` as lost that were never given to it."""
        with self._changing:
            self._lose(lines)

    def flush(self) -> None:
        """Write all that was taken."""
        with self._writing:
            self._flush()

    def close(self) -> None:
        """Write what is left, and end the run."""
        with self._writing:
            self._flush()
            try:
                self._end_file()
            except OSError as error:
                self._fail(error, 0)
            self._folder.close()
            self.is_broken = True

    def _flush(self) -> None:
        with self._changing:
            pieces, self._pieces, self._waiting = self._pieces, deque(), 0
        lines = 0
        try:
            while pieces:
                piece = _joined(pieces)
                lines = piece.lines
                if piece.begins:
                    self._end_file()
                    self._begin_file()
                self._write(piece.text)
            self._mend()
        except (OSError, ConfigError) as error:
            self._fail(error, lines + sum(piece.lines for piece in pieces))

    def _put(self, piece: _Piece) -> None:
        self._pieces.append(piece)
        self._waiting += len(piece.text)

    def _lose(self, lines: int) -> None:
        self.lost += lines
        self.is_broken = True

    def _begin_file(self) -> None:
        self._folder.open()
        name = f"{self._run}-{self._begun:04}{OPEN}"
        self._begun += 1
        self._fd = self._folder.create(name)
        self._file = self._folder.path / name

    def _end_file(self) -> None:
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        if self._file is not None:
            self._folder.compress(self._file)

    def _write(self, text: bytes) -> None:
        if not self._folder.make_room(len(text), keep=self._file):
            raise OSError(f"{len(text)} bytes more would be more than trace_max_mb allows")
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _fail(self, error: Exception, lines: int) -> None:
        with self._changing:
            self._pieces.clear()
            self._waiting = 0
            self._lose(lines)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        reason = str(error)
        if reason != self._failed:
            log.warning("trace not written", folder=str(self._folder.path), reason=reason)
        self._failed = reason

    def _mend(self) -> None:
        if self._failed and self._fd >= 0:
            log.info("trace written again", folder=str(self._folder.path), lost=self.lost)
            self._failed = ""


def _joined(pieces: deque[_Piece]) -> _Piece:
    """Pop the pieces that go into one file; return them as one."""
    some = [pieces.popleft()]
    while pieces and not pieces[0].begins:
        some.append(pieces.popleft())
    text = b"".join(piece.text for piece in some)
    return _Piece(text, sum(piece.lines for piece in some), some[0].begins)
