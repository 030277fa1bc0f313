"""What stands in the files of a trace, line by line."""

import gzip
from pathlib import Path
from typing import TypeVar

import msgspec

from musterd.trace.lines import TraceHeader, TraceLine

READER = msgspec.json.Decoder(TraceLine)

L = TypeVar("L")


def whole_lines(file: Path) -> list[bytes]:
    """The lines of a file that are written whole, with its header."""
    data = file.read_bytes()
    text = gzip.decompress(data) if file.suffix == ".gz" else data
    return text[: text.rfind(b"\n") + 1].splitlines()


def files_in(folder: Path) -> list[Path]:
    """The files of a folder, in order."""
    return sorted(folder.glob("*Z-*.jsonl*"))


def headers_in(folder: Path) -> list[TraceHeader]:
    """The header of each file."""
    return [
        msgspec.json.decode(whole_lines(file)[0], type=TraceHeader) for file in files_in(folder)
    ]


def lines_by_file(folder: Path) -> list[list[TraceLine]]:
    """The lines of each file, without its header."""
    return [list(map(READER.decode, whole_lines(file)[1:])) for file in files_in(folder)]


def lines_in(folder: Path, kind: type[L]) -> list[L]:
    """All lines of one kind."""
    return [line for lines in lines_by_file(folder) for line in lines if isinstance(line, kind)]
