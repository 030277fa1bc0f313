"""What a recorder writes of sweeps: verdicts, silences, shards, storms, clocks."""

from pathlib import Path

from musterd.model import State
from musterd.trace.lines import (
    HeadCount,
    ShardTurn,
    SilenceEnded,
    StillSilent,
    TraceEvent,
    TraceMember,
    VerdictChange,
    WallStep,
)
from tests.trace_reading import headers_in, whole_lines
from tests.unit.stage import host
from tests.unit.trace_stage import TraceStage


def test_members_are_named_and_their_verdicts_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2)
    came = stage.t - 0.5
    stage.go_on({1: beats[1]}, 12)
    assert stage.state("a") is State.DOWN
    assert stage.of(TraceMember) == [
        TraceMember(1, "compute", "a", "az1", 0, 1.0),
        TraceMember(2, "compute", "b", "az1", 0, 1.0),
    ]
    told = stage.of(VerdictChange)
    assert told[:2] == [
        VerdictChange(came, 1, "up", "first_beat"),
        VerdictChange(came, 2, "up", "first_beat"),
    ]
    [died] = told[2:]
    assert (died.id, died.state, died.reason) == (1, "down", "silent")
    assert died.t == came + 4.0


def test_the_end_of_a_long_silence_is_told_and_that_of_a_brief_one_not(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2)
    last = stage.t - 0.5
    stage.go_on({1: beats[1]}, 4)
    stage.sweep({0: (7, beats[0] + 1), 1: (7, beats[1] + 3)})
    assert stage.of(SilenceEnded) == [SilenceEnded(stage.t, 1, last)]
    back = stage.t
    stage.go_on({1: beats[1] + 4}, 4)
    stage.sweep({0: (8, 1)})
    assert stage.of(SilenceEnded)[1:] == [SilenceEnded(stage.t, 1, back, "restart")]


def test_who_is_silent_at_the_end_is_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2)
    last = stage.t - 0.5
    stage.go_on({1: beats[1]}, 4)
    stage.end()
    assert stage.of(StillSilent) == [StillSilent(stage.t, 1, last)]
    assert stage.of(HeadCount)[-1] == HeadCount(stage.t, 2, 2)


def test_of_who_is_down_it_is_told_since_when_it_is_silent(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join("a", "b")
    stage.go_on(beats, 2)
    last = stage.t - 0.5
    stage.go_on({1: beats[1]}, 12)
    assert stage.of(StillSilent) == [StillSilent(last + 4.0, 1, last)]


def test_how_sweeps_end_is_told_where_it_changes(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.go_on(stage.join("a"), 4)
    for _ in range(3):
        stage.away()
    gone = stage.t - 1.0
    stage.sweep(proven=False)
    partly = stage.t
    stage.go_on({0: 9}, 4)
    assert stage.of(ShardTurn) == [
        ShardTurn(0.5, 0, "ok", "", 0.5),
        ShardTurn(gone, 0, "deaf", "away", 0.5),
        ShardTurn(partly, 0, "partial", "away", 0.5),
        ShardTurn(partly + 0.5, 0, "ok", "", 0.5),
    ]


def test_a_way_in_doubt_and_a_pause_are_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.go_on(stage.join("a"), 2)
    stage.sweep(doubt="nobody reports")
    doubted = stage.t
    stage.now += 20.0
    stage.wall += 20.0
    stage.sweep()
    assert stage.of(TraceEvent) == [
        TraceEvent(doubted, 0, "doubt"),
        TraceEvent(stage.t, 0, "pause", {"since": doubted}),
        TraceEvent(stage.t, 0, "doubt over"),
    ]


def test_a_mass_silence_is_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    beats = stage.join(*(f"h{at}" for at in range(12)))
    stage.go_on(beats, 8)
    stage.go_on({at: beats[at] for at in range(4)}, 12)
    assert stage.state("h9") is State.SUSPECT
    stage.go_on(dict.fromkeys(range(12), 100), 2)
    began, over = stage.of(TraceEvent)
    facts = {"group": "compute", "zone": "az1", "silent": 8, "living": 12}
    assert (began.shard, began.kind, began.facts) == (None, "storm", facts)
    assert (over.kind, over.facts) == ("storm over", {"group": "compute", "zone": "az1"})
    reasons = {(line.state, line.reason) for line in stage.of(VerdictChange)}
    assert reasons == {("up", "first_beat"), ("suspect", "mass_silence"), ("up", "beat")}


def test_a_clock_that_is_stepped_is_told(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.sweep()
    stage.wall -= 90.0
    stage.sweep()
    stage.sweep()
    assert stage.of(WallStep) == [WallStep(1.0, round(stage.wall - 0.5, 2))]
    assert stage.of(TraceEvent) == [TraceEvent(1.0, None, "clock", {"by": -90.0})]


def test_a_forgotten_member_is_told_of_and_its_row_is_another_members(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path)
    stage.go_on(stage.join("a"), 2)
    row = stage.roll.view.row("compute", "a")
    assert row is not None
    stage.roll.remove([row])
    stage.sweep({1: (9, 1)}, seated=((1, host("b")),), vacated=(0,))
    assert stage.roll.view.row("compute", "b") == row
    assert [line.name for line in stage.of(TraceMember)] == ["a", "b"]
    assert [(line.id, line.state) for line in stage.of(VerdictChange)] == [
        (1, "up"),
        (1, "gone"),
        (2, "up"),
    ]


def test_an_anonymous_trace_has_no_name_in_it(tmp_path: Path) -> None:
    stage = TraceStage(tmp_path, anonymous=True)
    beats = stage.join(*(f"host{at}" for at in range(8)))
    stage.go_on(beats, 8)
    stage.go_on({0: beats[0]}, 12)
    stage.end()
    [file] = stage.folder.files()
    text = b"".join(whole_lines(file)).decode()
    assert not [word for word in ("host", "az1", "mc1", "11211") if word in text]
    first = stage.of(TraceMember)[0]
    assert (first.group, first.name, first.zone) == ("compute", "m0001", "z1")
    [header] = headers_in(tmp_path)
    assert (header.anonymous, header.shards) == (True, ["s0"])
