"""Traces are read as they were written, whole or torn, and what is none is refused by its name."""

import gzip
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ConfigError
from musterd.trace import reader
from musterd.trace.lines import (
    HeadCount,
    RuleChange,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceLine,
    TraceMember,
    VerdictChange,
    WallStep,
    encoded,
)
from musterd.trace.reader import read_trace
from musterd.trace.recording import Recording, Said, Silence
from tests.unit.taped import AT, RUN, header

MEMBER = TraceMember(1, "compute", "h1", "az1", 0)
LATER = "20261125T060000Z"


def put(folder: Path, name: str, *lines: TraceLine, tail: bytes = b"", **changes: Any) -> Path:
    """Write a file of a trace; ``tail`` is what was not written to its end."""
    run = name.partition("-")[0]
    text = encoded([header(run=run, **changes)]) + encoded(lines) + tail
    file = folder / name
    file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return file


def test_files_of_a_run_are_one_stretch(tmp_path: Path) -> None:
    put(tmp_path, f"{RUN}-0000.jsonl.gz", MEMBER, VerdictChange(0.5, 1, "up", "beat"))
    put(tmp_path, f"{RUN}-0001.jsonl", MEMBER, VerdictChange(90.0, 1, "down", "silent"), t=80.0)
    (stretch,) = read_trace(tmp_path).stretches
    assert stretch.members == {1: MEMBER}
    assert stretch.verdicts == {1: [Said(0.5, "up", "beat"), Said(90.0, "down", "silent")]}
    assert (stretch.first, stretch.end, stretch.goes_on) == (0.0, 90.0, False)
    assert stretch.wall(90.0) == AT.timestamp() + 90


def test_what_a_later_file_repeats_is_said_once(tmp_path: Path) -> None:
    down, dead = VerdictChange(70.0, 1, "down", "silent"), RuleChange(61.0, 1, "db", 0, 61.5)
    deaf = ShardTurn(50.0, 0, "deaf", "away", 1.0)
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER, deaf, dead, down, StillSilent(80.0, 1, 0.0))
    again = (MEMBER, deaf, dead, down, SilenceEnded(95.0, 1, 0.0))
    put(tmp_path, f"{RUN}-0001.jsonl", *again, VerdictChange(95.0, 1, "up", "beat"), t=80.0)
    (stretch,) = read_trace(tmp_path).stretches
    assert [each.word for each in stretch.verdicts[1]] == ["down", "up"]
    assert stretch.answers == {"db": {1: [Said(61.0, "dead", "", 61.5)]}}
    assert stretch.turns == {0: [Said(50.0, "deaf", "away")]}
    assert stretch.silences == {1: [Silence(0.0, 95.0)]}


def test_who_is_silent_in_the_end_stays_so(tmp_path: Path) -> None:
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER, StillSilent(80.0, 1, 10.0), HeadCount(80.0, 1, 1))
    (stretch,) = read_trace(tmp_path).stretches
    assert stretch.silences == {1: [Silence(10.0)]}
    assert stretch.gone(1) == 80.0


def test_a_file_alone_is_a_trace(tmp_path: Path) -> None:
    file = put(tmp_path, f"{RUN}-0003.jsonl", MEMBER, WallStep(1.0, 2.0), t=5.0)
    (stretch,) = read_trace(file).stretches
    assert (stretch.first, stretch.end, stretch.goes_on) == (5.0, 5.0, True)


def test_several_runs_and_missing_files_are_stretches_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, f"{LATER}-0000.jsonl", MEMBER, at=AT.replace(day=25))
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER)
    put(tmp_path, f"{RUN}-0002.jsonl", MEMBER, t=200.0)
    trace = read_trace(tmp_path)
    assert [each.header.run for each in trace.stretches] == [RUN, RUN, LATER]
    assert trace.notes == [
        f"of run {RUN} what is between {RUN}-0000.jsonl and {RUN}-0002.jsonl is missing"
    ]


def test_other_settings_begin_another_stretch(tmp_path: Path) -> None:
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER)
    put(tmp_path, f"{RUN}-0001.jsonl", MEMBER, t=9.0, settings={"service_down_time": 90.0})
    assert [each.goes_on for each in read_trace(tmp_path).stretches] == [False, True]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz"])
def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path, ending: str) -> None:
    name = f"{RUN}-0000.{ending}"
    put(tmp_path, name, MEMBER, HeadCount(7.0, 1, 1), tail=b'["d",12.5,1')
    trace = read_trace(tmp_path)
    assert trace.stretches[0].end == 7.0
    assert trace.notes == [f"{name}: its last line was cut off, and is left out"]


def test_a_file_that_was_packed_in_part_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    turns = [ShardTurn(float(t), 0, "ok") for t in range(2000)]
    file = put(tmp_path, f"{RUN}-0000.jsonl.gz", *turns)
    file.write_bytes(file.read_bytes()[:-2000])
    trace = read_trace(tmp_path)
    assert trace.notes
    assert 0 < trace.stretches[0].end < 1999


def test_a_file_that_was_not_removed_after_packing_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER, HeadCount(7.0, 1, 1))
    put(tmp_path, f"{RUN}-0000.jsonl.gz", MEMBER)
    (stretch,) = read_trace(tmp_path).stretches
    assert stretch.end == 7.0


def test_a_run_without_a_whole_header_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"{LATER}-0000.jsonl").write_bytes(b"")
    with pytest.raises(ConfigError, match="nothing was recorded in it yet"):
        read_trace(tmp_path)
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER)
    assert len(read_trace(tmp_path).stretches) == 1


def test_what_later_versions_may_say_is_passed_over(tmp_path: Path) -> None:
    later = b'["z",1.5,{"new":true}]\n["e",2.5,null,"eclipse",{},"and more"]\n'
    put(tmp_path, f"{RUN}-0000.jsonl", MEMBER, tail=later)
    (stretch,) = read_trace(tmp_path).stretches
    assert stretch.events == [TraceEvent(2.5, None, "eclipse", {})]


def foreign_name(folder: Path) -> Path:
    return put(folder, "lines.jsonl")


def foreign_text(folder: Path) -> Path:
    file = folder / f"{RUN}-0000.jsonl"
    file.write_text('{"level": "info", "event": "started"}\n')
    return file


def later_form(folder: Path) -> Path:
    return put(folder, f"{RUN}-0000.jsonl", trace=2)


def damaged(folder: Path) -> Path:
    file = put(folder, f"{RUN}-0000.jsonl.gz")
    file.write_bytes(b"\x1f\x8b\x08\x00junk that was never packed by anybody")
    return file


def broken_line(folder: Path) -> Path:
    return put(folder, f"{RUN}-0000.jsonl", tail=b'["d","soon",1,"down"]\n')


def beyond_time(folder: Path) -> Path:
    return put(folder, f"{RUN}-0000.jsonl", HeadCount(1e300, 1, 1))


def no_lines_of_ours(folder: Path) -> Path:
    return put(folder, f"{RUN}-0000.jsonl", tail=b"\xff\xfe\n")


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (foreign_name, "no file of a trace has such a name"),
        (foreign_text, "its first line is not that of a trace"),
        (later_form, "a trace of form 2; this musterd reads form 1"),
        (damaged, "it is damaged"),
        (broken_line, "line 2 is none of a trace"),
        (beyond_time, "line 2 is none of a trace"),
        (no_lines_of_ours, "line 2 is none of a trace"),
    ],
)
def test_what_is_no_trace_is_refused_by_its_name(
    make: Callable[[Path], Path], word: str, tmp_path: Path
) -> None:
    file = make(tmp_path)
    with pytest.raises(ConfigError) as refused:
        read_trace(tmp_path)
    assert str(refused.value).startswith(f"{file}: ")
    assert word in str(refused.value)


def test_a_folder_without_a_trace_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("not a line")
    (tmp_path / ".hidden.jsonl").write_text("not a line")
    with pytest.raises(ConfigError, match="there is no trace in it"):
        read_trace(tmp_path)
    with pytest.raises(ConfigError, match="there is no such folder"):
        read_trace(tmp_path / "nowhere")


def test_a_file_that_unpacks_to_more_than_any_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / f"{RUN}-0000.jsonl.gz"
    file.write_bytes(gzip.compress(b" " * (reader.MOST_BYTES + 10), compresslevel=1))
    with pytest.raises(ConfigError, match="more than 64,000,000 bytes"):
        read_trace(tmp_path)


@given(st.lists(st.integers(0, 3), max_size=3), st.binary(max_size=40))
def test_no_file_makes_more_than_an_error(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("trace")
    text = encoded([header()]) + encoded([MEMBER, HeadCount(1.0, 1, 1)]) + junk
    lines = text.split(b"\n")
    for cut in cuts:
        lines[cut : cut + 1] = [junk]
    (folder / f"{RUN}-0000.jsonl").write_bytes(b"\n".join(lines))
    with suppress(ConfigError):
        read_trace(folder)
    shutil.rmtree(folder)


lines_of_one = st.lists(
    st.one_of(
        st.builds(VerdictChange, st.integers(0, 99).map(float), st.just(1), st.sampled_from("ud")),
        st.builds(RuleChange, st.integers(0, 99).map(float), st.just(1), st.just("db"), st.just(0)),
    )
)


@given(lines_of_one)
def test_what_is_said_is_in_order_and_no_word_comes_twice_at_once(lines: list[TraceLine]) -> None:
    recording = Recording(header())
    recording.add(lines)
    stretch = recording.finish()
    for said in [*stretch.verdicts.values(), *stretch.answers.get("db", {}).values()]:
        assert [each.t for each in said] == sorted(each.t for each in said)
