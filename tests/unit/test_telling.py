"""What is said of changes: to the log, to whoever asks, and to the history."""

import itertools

from structlog.testing import capture_logs

from musterd.beat import Status
from musterd.model import State
from musterd_coordinator.roll.reporting import LOGGED_SINGLY
from tests.unit.stage import Stage, host

SEEN = "last beat seen 2023-11-14T22:13:21Z"


def fleet(count: int) -> Stage:
    """Members in several zones, all up; rows and slots are in opposite orders."""
    stage = Stage()
    stage.sweep()
    seats = [(slot, host(f"h{slot}", zone=f"z{slot % 3}")) for slot in reversed(range(count))]
    stage.sweep(dict.fromkeys(range(count), (7, 1)), seated=tuple(seats))
    return stage


def silent(stage: Stage, *but: int, first: int = 2) -> None:
    """Everybody but these, who go on from ``first``, falls silent until they are suspected."""
    for sequence in itertools.count(first):
        stage.sweep(dict.fromkeys(but, (7, sequence)))
        if stage.state("h0") is not State.UP:
            return


def test_a_few_have_a_line_each() -> None:
    stage = fleet(20)
    with capture_logs() as lines:
        silent(stage, *range(4, 20))
    assert [(line["event"], line["member"], line["was"]) for line in lines] == [
        ("member down", f"compute/h{n}", "up") for n in (3, 2, 1, 0)
    ]
    assert {line["log_level"] for line in lines} == {"warning"}
    evidence = f"silent for 4.0 s of listening; {SEEN}; shard mc1:11211 proven 0.0 s ago"
    assert {line["reason"] for line in lines} == {evidence}


def test_very_many_have_one_line_together() -> None:
    count = 3 * (LOGGED_SINGLY // 3 + 1)
    stage = fleet(count + 1)
    with capture_logs() as lines:
        silent(stage, count)
    (line,) = lines
    assert (line["event"], line["count"], line["was"]) == ("members suspect", count, "up")
    assert line["largest_zones"] == {f"compute/z{n}": count // 3 for n in range(3)}
    assert line["examples"] == [f"compute/h{count - n}" for n in (1, 2, 3)]
    assert line["reason"].startswith(f"silent for 4.0 s of listening; {SEEN}")


def test_everybody_is_told_their_own_reason() -> None:
    stage = fleet(40)
    for sequence in range(2, 5):
        stage.sweep(dict.fromkeys(range(1, 40), (7, sequence)))
    silent(stage, 39, first=5)
    reasons = {n: stage.answers.member("compute", f"h{n}").reason for n in (0, 1, 38, 39)}
    assert reasons[39] == "first beat seen"
    assert reasons[0].startswith(f"silent for 4.0 s of listening; {SEEN}")
    assert "fell silent at once" in reasons[0]
    stage.sweep({0: (8, 1), 39: (7, 99)})
    assert stage.answers.member("compute", "h0").reason == "beating again"
    history = stage.roll.unsaved.lines_of(stage.answers.row("compute", "h0"), "compute", "h0")
    assert [(line.old, line.new) for line in history] == [
        (State.UNKNOWN, State.UP),
        (State.UP, State.SUSPECT),
        (State.SUSPECT, State.SUSPECT),  # of another run
        (State.SUSPECT, State.UP),
    ]
    assert history[2].reason.startswith("its agent restarted: incarnation 0000000000000008 after")


def test_a_first_beat_is_no_news_and_a_goodbye_is_no_warning() -> None:
    with capture_logs() as lines:
        stage = fleet(2)
        stage.sweep({0: (7, 2)}, status=Status.LEAVING)
    told = [
        (line["event"], line["log_level"]) for line in lines if line["event"] != "shard listening"
    ]
    assert told == [("member left", "info")]


def test_what_one_sweep_changed_twice_has_two_lines_with_their_own_reasons() -> None:
    stage = fleet(20)
    silent(stage, 19)
    with capture_logs() as lines:
        stage.sweep({0: (8, 1)})
    assert [(line["event"], line["was"]) for line in lines] == [
        ("member beats", "suspect"),
        ("member up", "suspect"),
    ]
    assert lines[0]["reason"].startswith("its agent restarted: incarnation 0000000000000008")
    assert lines[1]["reason"] == "beating again"


def test_who_was_down_comes_back_in_one_line() -> None:
    """Never a line from down to down, be it another run of its agent."""
    stage = fleet(20)
    silent(stage, *range(4, 20))
    with capture_logs() as lines:
        stage.sweep({0: (8, 1)})
    assert [(line["event"], line["was"]) for line in lines] == [("member up", "down")]
