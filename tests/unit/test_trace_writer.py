"""Files of a trace are cut, compressed and bounded, and no disk holds up whoever writes."""

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.trace.folder import TraceFolder
from musterd.trace.lines import TraceHeader, TraceLine, VerdictChange, WallStep
from musterd.trace.writer import TraceWriter
from tests.trace_reading import headers_in, lines_by_file

RUN = "20261130T190000Z"
WALL = datetime(2026, 11, 30, 19, tzinfo=UTC).timestamp()


def header(t: float = 0.0) -> TraceHeader:
    return TraceHeader(
        run=RUN,
        at=datetime.fromtimestamp(WALL, UTC),
        t=t,
        musterd="1",
        settings={},
        source="memory",
        shards=[],
        anonymous=False,
        rules=[],
    )


def verdicts(first: int, count: int) -> list[TraceLine]:
    return [VerdictChange(float(at), at, "down", "silent") for at in range(first, first + count)]


def lines_of(folder: TraceFolder) -> list[TraceLine]:
    return [line for lines in lines_by_file(folder.path) for line in lines]


def on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def test_a_run_is_written_into_files_that_only_the_owner_reads(tmp_path: Path) -> None:
    folder = TraceFolder(tmp_path / "deep" / "trace", 1_000_000)
    writer = TraceWriter(folder, RUN)
    for first in (0, 10):
        writer.begin(header(float(first)))
        writer.write(verdicts(first, 10))
    writer.flush()
    names = [f"{RUN}-0000.jsonl.gz", f"{RUN}-0001.jsonl"]
    assert [file.name for file in folder.files()] == names
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.files()} == {0o600}
    writer.close()
    assert [file.suffix for file in folder.files()] == [".gz", ".gz"]
    assert lines_of(folder) == verdicts(0, 20)
    assert headers_in(folder.path) == [header(0.0), header(10.0)]


@given(st.lists(st.integers(0, 60), max_size=30), st.integers(2_000, 9_000))
def test_the_folder_is_never_larger_than_it_may_be(counts: list[int], most: int) -> None:
    with TemporaryDirectory() as name:
        folder = TraceFolder(Path(name), most)
        writer, size = TraceWriter(folder, RUN), 0
        for at, count in enumerate(counts):
            if writer.is_broken or size > writer.file_bytes:
                writer.begin(header(float(at)))
                size = 0
            size += writer.write(verdicts(at * 100, count))
            writer.flush()
            assert on_disk(folder.path) <= most
        writer.close()
        assert on_disk(folder.path) <= most
        written = lines_of(folder)
        given_lines = [
            line for at, count in enumerate(counts) for line in verdicts(at * 100, count)
        ]
        assert written == [line for line in given_lines if line in written]
        if writer.lost == 0 and sum(counts) < 20:
            assert written == given_lines


def test_the_oldest_files_make_room_for_new_ones(tmp_path: Path) -> None:
    folder = TraceFolder(tmp_path, 3_000)
    writer = TraceWriter(folder, RUN)
    for at in range(30):
        writer.begin(header(float(at)))
        writer.write(verdicts(10 * at, 10))
        writer.flush()
    writer.close()
    kept = [file.name for file in folder.files()]
    assert writer.lost == 0
    assert kept == [f"{RUN}-{at:04}.jsonl.gz" for at in range(30 - len(kept), 30)]
    assert 5 < len(kept) < 30


class FullDisk(TraceFolder):
    """A folder on a disk without room for another byte, while it is `full`."""

    full = True

    def create(self, name: str) -> int:
        return os.open("/dev/full", os.O_WRONLY) if self.full else super().create(name)


def test_a_full_disk_stops_nothing(tmp_path: Path) -> None:
    folder = FullDisk(tmp_path, 1_000_000)
    writer = TraceWriter(folder, RUN)
    writer.begin(header())
    writer.write(verdicts(0, 10))
    assert not writer.is_broken
    writer.flush()
    assert (writer.is_broken, writer.lost) == (True, 11)
    writer.write(verdicts(10, 10))
    assert writer.lost == 21
    folder.full = False
    writer.begin(header(3.0))
    writer.write(verdicts(20, 10))
    writer.close()
    assert lines_of(folder) == verdicts(20, 10)
    assert writer.lost == 21


def test_a_folder_that_cannot_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = TraceWriter(TraceFolder(tmp_path / "file" / "trace", 1_000_000), RUN)
    writer.begin(header())
    writer.close()
    assert (writer.is_broken, writer.lost) == (True, 1)


def test_a_disk_that_fills_up_at_the_end_stops_nothing(tmp_path: Path) -> None:
    class Filling(TraceFolder):
        def compress(self, file: Path) -> None:
            raise OSError(errno.ENOSPC, "no space", str(file))

    folder = Filling(tmp_path, 1_000_000)
    writer = TraceWriter(folder, RUN)
    writer.begin(header())
    writer.write([WallStep(1.0, WALL)])
    writer.close()
    assert lines_of(folder) == [WallStep(1.0, WALL)]


def test_lines_that_nobody_writes_take_no_more_memory_than_they_may(tmp_path: Path) -> None:
    writer = TraceWriter(TraceFolder(tmp_path, 1_000_000), RUN, most_waiting=2_000)
    writer.begin(header())
    for first in range(0, 1_000, 10):
        writer.write(verdicts(first, 10))
    assert (writer.is_broken, writer.lost > 900) == (True, True)
    writer.close()
    assert lines_of(writer._folder) == verdicts(0, 1_000 - writer.lost)


def test_what_a_crash_left_open_is_closed_and_kept(tmp_path: Path) -> None:
    first = TraceWriter(TraceFolder(tmp_path, 1_000_000), RUN)
    first.begin(header())
    first.write(verdicts(0, 3))
    first.flush()
    (tmp_path / f"{RUN}-0009.jsonl").touch()
    (tmp_path / f"{RUN}-0001.jsonl.part").write_bytes(b"half")
    first._folder.close()
    folder = TraceFolder(tmp_path, 1_000_000)
    folder.open()
    assert [file.name for file in tmp_path.iterdir()] == [f"{RUN}-0000.jsonl.gz"]
    assert lines_of(folder) == verdicts(0, 3)
    assert folder.new_run(WALL) == "20261130T190001Z"


def test_two_recorders_do_not_share_a_folder(tmp_path: Path) -> None:
    first, second = TraceFolder(tmp_path, 1_000), TraceFolder(tmp_path, 1_000)
    first.open()
    with pytest.raises(ConfigError, match="another coordinator records there"):
        second.open()
    first.close()
    second.open()


def test_nothing_of_others_is_removed(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_bytes(b"x" * 5_000)
    folder = TraceFolder(tmp_path, 1_000)
    folder.open()
    assert folder.make_room(1_000)
    assert not folder.make_room(1_001)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.jsonl"]
