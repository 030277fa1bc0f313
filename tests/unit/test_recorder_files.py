"""A recorder's files: each can be read alone, and none is worth a verdict."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import anyio.lowlevel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from musterd.settings.settings import Settings
from musterd.trace.folder import TraceFolder
from musterd.trace.lines import (
    HeadCount,
    RuleChange,
    ShardTurn,
    StillSilent,
    TraceEvent,
    TraceLine,
    TraceMember,
    VerdictChange,
)
from musterd.trace.words import Rule
from musterd_coordinator.tracing import recorder as recording
from musterd_coordinator.tracing.names import TraceNames
from musterd_coordinator.tracing.scribe import Scribe, Subjects
from tests.trace_reading import headers_in, lines_by_file
from tests.unit.trace_stage import TraceStage

MEMBERS = 6


def names_first(lines: list[TraceLine]) -> bool:
    """Say whether each member is named, once, before a line about it."""
    named = set[int]()
    for line in lines:
        if isinstance(line, TraceMember):
            if line.id in named:
                return False
            named.add(line.id)
        elif (getattr(line, "id", None) or next(iter(named), 0)) not in {*named, 0}:
            return False
    return True


class Small(TraceStage):
    """A stage with files of few lines."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, rule=Rule.DB, most=40_000)


steps = st.lists(st.tuples(st.sets(st.integers(0, MEMBERS - 1)), st.booleans()), max_size=30)


@settings(max_examples=25)
@given(steps)
def test_each_file_can_be_read_alone(given_steps: list[tuple[set[int], bool]]) -> None:
    with TemporaryDirectory() as name:
        stage = Small(Path(name))
        beats = stage.join(*(f"h{at}" for at in range(MEMBERS)))
        for alive, cut in given_steps:
            stage.go_on({slot: beats[slot] for slot in alive}, 2, dict.fromkeys(alive, 9.0 * cut))
            for slot in alive:
                beats[slot] += 1
            if cut:
                stage.recorder.adopt(Settings())
        stage.end()
        files = lines_by_file(stage.folder.path)
        assert all(map(names_first, files))
        verdicts, usual = dict[int, str](), "unknown"
        for lines in files:
            told = {line.id: line.state for line in lines if isinstance(line, VerdictChange)}
            verdicts |= told
            for number in (line.id for line in lines if isinstance(line, TraceMember)):
                assert verdicts.get(number, "unknown") == told.get(number, usual)
            usual = "up"


def test_a_file_repeats_what_holds_when_it_begins(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2, {0: 0.0, 1: 0.0})
    last = stage.t - 0.5
    stage.go_on({1: beats[1]}, 12, {0: 9.0, 1: 0.0})
    down, dead = stage.of(VerdictChange)[-1], stage.of(RuleChange)[-1]
    stage.recorder.adopt(Settings(service_down_time=45.0))
    stage.write()
    before, after = lines_by_file(stage.folder.path)
    assert before[-2:] == [StillSilent(stage.t, 1, last), HeadCount(stage.t, 2, 1, 0, 1, {"db": 1})]
    name = TraceMember(1, "compute", "a", "az1", 0, 1.0)
    assert after == [ShardTurn(0.5, 0, "ok", "", 0.5), name, down, dead]
    downs = [header.settings["service_down_time"] for header in headers_in(tmp_path)]
    assert downs == [4.0, 45.0]


def test_a_cell_that_comes_later_is_in_a_file_with_its_name(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, rule=Rule.DB)
    stage.go_on(stage.join("a"), 2)
    stage.roll.add_shards(["cell2 rpc"])
    stage.recorder.add_shards(["cell2 rpc"])
    stage.away(1)
    assert [list(header.shards) for header in headers_in(tmp_path)] == [
        ["mc1:11211"],
        ["mc1:11211", "cell2 rpc"],
    ]
    before, after = lines_by_file(stage.folder.path)
    assert not [line for line in before if getattr(line, "shard", 0) == 1]
    assert ShardTurn(stage.t, 1, "deaf", "away", 0.5) in after


def test_a_day_has_a_file_of_its_own(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.go_on(stage.join("a"), 2)
    for _ in range(2):
        stage.now += recording.FILE_SECONDS
        stage.wall += recording.FILE_SECONDS
        stage.sweep()
    assert [file.name[-8:] for file in stage.folder.files()] == ["jsonl.gz", "jsonl.gz", "02.jsonl"]
    assert [header.t for header in headers_in(tmp_path)] == [0.0, 86402.5, 172803.0]


def test_members_are_counted_once_a_minute(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.go_on(stage.join("a"), 400)
    counts = stage.of(HeadCount)
    assert [count.t for count in counts] == [0.0, 60.0, 120.0, 180.0]
    assert {(count.members, count.up) for count in counts[1:]} == {(1, 1)}


class FillingDisk(TraceFolder):
    """A folder on a disk that is full while it is `full`."""

    full = False

    def create(self, name: str) -> int:
        return os.open("/dev/full", os.O_WRONLY) if self.full else super().create(name)


def test_a_full_disk_is_in_nobodys_way_and_is_told_of_later(tmp_path: Path) -> None:
    folder = FillingDisk(tmp_path, 100_000_000)
    folder.full = True
    stage = TraceStage(tmp_path, folder=folder)
    beats = stage.join("a")
    stage.go_on(beats, 10)
    assert stage.writer.is_broken
    assert folder.files() == []
    folder.full = False
    stage.now += recording.RETRY_PERIOD
    stage.wall += recording.RETRY_PERIOD
    stage.go_on({}, 1)
    stage.go_on({}, 20)
    lost = stage.of(TraceEvent)[0]
    assert (lost.kind, lost.facts) == ("lost", {"lines": stage.writer.lost})
    assert stage.roll.view.figures.trace_lost == stage.writer.lost > 0
    assert [line.state for line in stage.of(VerdictChange)] == ["down"]


def test_more_than_fits_into_memory_is_lost(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    writer, traced = stage.writer, stage.roll.view.traced
    scribe = Scribe(traced, writer, TraceNames(anonymous=False), 0.0, most_waiting=1)
    two = Subjects(np.arange(2), np.arange(1, 3, dtype=np.uint32))
    scribe.tell(two, lambda some: [])
    assert list(scribe.work()) == []
    assert (writer.lost, writer.is_broken) == (2, True)


def test_a_fault_of_the_recorder_is_worth_no_sweep(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join("a")
    stage.recorder._notes.book.life = None  # type: ignore[assignment]  # whatever it may be
    stage.go_on(beats, 4)
    assert stage.state("a") == "up"


async def test_a_run_is_written_while_it_lasts_and_ended_with_its_coordinator(
    tmp_path: Path,
) -> None:
    stage = TraceStage(tmp_path)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.recorder.run)
        await anyio.lowlevel.checkpoint()
        stage.go_on(stage.join("a"), 2)
        tasks.cancel_scope.cancel()
    [file] = stage.folder.files()
    assert file.name.endswith("-0000.jsonl.gz")
    assert [line.state for line in stage.of(VerdictChange)] == ["up"]
