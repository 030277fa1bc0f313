"""The module reads traces: a folder of files of JSON lines, some of them gzipped."""

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from musterd.errors import ConfigError
from musterd.terminal import visible
from musterd.trace.lines import FORMAT, TraceHeader, TraceLine
from musterd.trace.recording import Recording, Stretch

MOST_BYTES = 64_000_000
"""The largest file that is read, unpacked. A recorder cuts its own at an eighth of that."""

LONGEST = 1e8
"""Seconds that a run may go on: three years."""

_NAME = re.compile(r"(\d{8}T\d{6}Z)-(\d{4,})\.jsonl(\.gz)?")
_ENDINGS = (".jsonl", ".jsonl.gz")
_LINE = msgspec.json.Decoder(TraceLine)
_HEADER = msgspec.json.Decoder(TraceHeader)
_ARRAY = msgspec.json.Decoder(list)
_KINDS = {each.__struct_config__.tag for each in get_args(TraceLine)}


class TraceFile(NamedTuple):
    """A `TraceFile` is one file of a run, by its number."""

    run: str
    number: int
    path: Path


@dataclass(frozen=True, slots=True)
class Trace:
    """A `Trace` is all that was recorded, in order of time, and ``notes`` on what of it is missing."""

    stretches: Sequence[Stretch]
    notes: Sequence[str] = field(default=())


def read_trace(path: Path) -> Trace:
    """Read the trace in the folder ``path``, or in one of its files.

    Raises ConfigError, with the name of the file, for what is no trace.
    """
    notes = list[str]()
    stretches = [
        stretch
        for parts in _in_a_row(parts_of(path), notes)
        for stretch in _read_stretches(parts, notes)
    ]
    if not stretches:
        raise ConfigError(f"{path}: nothing was recorded in it yet")
    return Trace(sorted(stretches, key=lambda each: each.wall(each.first)), notes)


def parts_of(path: Path) -> list[TraceFile]:
    """Return the files of a trace, in order. Raises ConfigError where there is none."""
    if path.is_file():
        return [_part(path)]
    if not path.is_dir():
        raise ConfigError(f"{path}: there is no such folder; name the one that a trace is in")
    files = sorted(each for each in path.iterdir() if _is_ours(each))
    if not files:
        raise ConfigError(f"{path}: there is no trace in it; its files would end in .jsonl")
    # A recorder that ended while it packed a file leaves both, and the plain one is whole.
    parts = {(part.run, part.number): part for part in map(_part, reversed(files))}
    return [parts[key] for key in sorted(parts)]


def _is_ours(path: Path) -> bool:
    return path.name.endswith(_ENDINGS) and not path.name.startswith(".") and path.is_file()


def _part(path: Path) -> TraceFile:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise ConfigError(
            f"{path}: no file of a trace has such a name, as 20261130T190000Z-0000.jsonl; move it away"
        )
    return TraceFile(named[1], int(named[2]), path)


def _in_a_row(parts: Iterable[TraceFile], notes: list[str]) -> Iterator[list[TraceFile]]:
    """Yield the files of each run that follow one another, and note where some are missing."""
    together = list[TraceFile]()
    for part in parts:
        before = together[-1] if together else None
        if before is not None and (before.run, before.number + 1) != (part.run, part.number):
            if before.run == part.run:
                notes.append(
                    f"of run {part.run} what is between {before.path.name} and"
                    f" {part.path.name} is missing"
                )
            yield together
            together = []
        together.append(part)
    yield together


def _read_stretches(parts: Sequence[TraceFile], notes: list[str]) -> Iterator[Stretch]:
    """Yield what files that follow one another say: all at once while settings were the same."""
    recording: Recording | None = None
    for part in parts:
        lines = _lines(part.path, notes)
        first = next(lines, None)
        if first is None:
            continue
        header = _header(part, first)
        if recording is not None and not _goes_on(recording.stretch.header, header):
            yield recording.finish()
            recording = None
        recording = recording or Recording(header, goes_on=part.number > 0)
        recording.add(_decoded(part.path, lines))
    if recording is not None:
        yield recording.finish()


def _goes_on(before: TraceHeader, header: TraceHeader) -> bool:
    same = ("run", "settings", "shards", "rules")
    return all(getattr(before, each) == getattr(header, each) for each in same)


def _header(part: TraceFile, line: bytes) -> TraceHeader:
    try:
        header = _HEADER.decode(line)
    except (msgspec.MsgspecError, ValueError):
        raise ConfigError(
            f"{part.path}: its first line is not that of a trace; move it away"
        ) from None
    if header.trace != FORMAT:
        raise ConfigError(
            f"{part.path}: a trace of form {header.trace}; this musterd reads form {FORMAT}:"
            f" read it with musterd {visible(header.musterd)}"
        )
    return header


def _decoded(path: Path, lines: Iterable[bytes]) -> Iterator[TraceLine]:
    for number, line in enumerate(lines, 2):
        try:
            yield _checked_time(_LINE.decode(line))
        except (msgspec.MsgspecError, ValueError) as error:
            if not _is_of_later_kind(line):
                raise ConfigError(
                    f"{path}: line {number} is none of a trace ({visible(str(error))});"
                    " leave the file out"
                ) from None


def _checked_time(line: TraceLine) -> TraceLine:
    """Return ``line`` if it is of a time that a recorder may have seen; else raise ValueError."""
    times = getattr(line, "t", 0.0), getattr(line, "last", 0.0)
    if not all(-LONGEST <= each <= LONGEST for each in times):
        raise ValueError(f"no run goes on for more than {LONGEST:g} s")
    return line


def _is_of_later_kind(line: bytes) -> bool:
    """Say whether a line may be of a kind that only later versions know; it is passed over."""
    try:
        kind, *_ = _ARRAY.decode(line)
    except (msgspec.MsgspecError, ValueError):
        return False
    return isinstance(kind, str) and kind not in _KINDS


def _lines(path: Path, notes: list[str]) -> Iterator[bytes]:
    """Yield all lines that were written to their end; note where the last one was not."""
    text, is_whole = _unpacked(path)
    *lines, rest = text.split(b"\n")
    if rest or not is_whole:
        notes.append(f"{path.name}: its last line was cut off, and is left out")
    yield from lines


def _unpacked(path: Path) -> tuple[bytes, bool]:
    """Return what is in a file, and whether that is all of it."""
    if path.suffix != ".gz":
        with path.open("rb") as file:
            return _bounded(path, file.read(MOST_BYTES + 1)), True
    with path.open("rb") as file:
        packed = file.read(MOST_BYTES + 1)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)  # as gzip packs
    try:
        return _bounded(path, unpacker.decompress(packed, MOST_BYTES + 1)), unpacker.eof
    except zlib.error as error:
        raise ConfigError(f"{path}: it is damaged ({error}); leave it out") from None


def _bounded(path: Path, text: bytes) -> bytes:
    if len(text) > MOST_BYTES:
        raise ConfigError(
            f"{path}: more than {MOST_BYTES:,} bytes are no file of a trace; move it away"
        )
    return text
