"""What a coordinator did is counted: changes, errors of its own, how long it took to find the dead."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from musterd.beat import Status
from musterd.model import Member, State
from musterd_coordinator.histogram import Histogram
from musterd_coordinator.http.counted import counted_families
from musterd_coordinator.http.metrics import render
from musterd_coordinator.roll.figures import RunFigures
from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.loop import SweepOutcome
from musterd_coordinator.sweep.proof import NoProof
from tests.metrics_scene import scene
from tests.unit.stage import Stage, host, telling

SECONDS = st.floats(0, 1000)


def stage_of(*names: str, group: str = "compute") -> Stage:
    """A roll on which these members are up."""
    stage = Stage()
    stage.sweep()
    seated = tuple((slot, Member(group, name)) for slot, name in enumerate(names))
    stage.sweep(dict.fromkeys(range(len(names)), (7, 1)), seated=seated)
    stage.sweep(dict.fromkeys(range(len(names)), (7, 2)))
    return stage


def silence(stage: Stage) -> None:
    """Let everybody be silent until they are down: four seconds of listening."""
    for _ in range(9):
        stage.sweep()


def transitions(stage: Stage) -> dict[tuple[str, ...], int]:
    return {tuple(map(str, kind)): count for kind, count in figures(stage).transitions.items()}


def figures(stage: Stage) -> RunFigures:
    return stage.roll.view.figures


def test_each_change_is_counted_by_what_it_was() -> None:
    stage = stage_of("a", "b")
    silence(stage)
    stage.sweep({0: (8, 1)})
    stage.sweep({0: (9, 1)})
    assert transitions(stage) == {
        ("compute", "unknown", "up", "first_beat"): 2,
        ("compute", "up", "down", "silent"): 2,
        ("compute", "down", "up", "beat"): 1,
        ("compute", "up", "up", "restarted"): 1,
    }


def test_who_goes_on_in_the_same_run_was_called_down_falsely() -> None:
    stage = stage_of("a", "b")
    silence(stage)
    stage.sweep({0: (7, 3), 1: (8, 1)})
    assert figures(stage).false_downs == {"compute": 1}
    silence(stage)
    stage.sweep({0: (7, 4), 1: (8, 2)})
    assert figures(stage).false_downs == {"compute": 3}


def test_a_check_that_failed_and_is_well_again_is_no_error() -> None:
    stage = stage_of("a")
    stage.sweep({0: (7, 3)}, status=Status.CHECK_FAILING)
    assert stage.state("a") is State.DOWN
    stage.sweep({0: (7, 4)})
    assert stage.state("a") is State.UP
    assert figures(stage).false_downs == {}
    assert sum(figures(stage).detection.counts) == 0


def test_a_death_is_measured_from_the_last_beat() -> None:
    stage = stage_of("a", "b")
    silence(stage)
    detection = figures(stage).detection
    assert sum(detection.counts) == 2
    assert detection.sum == pytest.approx(2 * 4.0, abs=0.5)


def test_who_never_beat_has_no_last_beat() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep(seated=((0, host("a")),))
    silence(stage)
    assert transitions(stage) == {("compute", "unknown", "down", "never_beat"): 1}
    assert sum(figures(stage).detection.counts) == 0
    stage.sweep({0: (7, 2)})
    assert stage.state("a") is State.UP
    assert figures(stage).false_downs == {}


def test_sweeps_are_measured_and_those_unproven_counted_by_why() -> None:
    stage = stage_of("a")
    for doubt in (NoProof.TIMEOUT, NoProof.STORE, NoProof.STORE):
        stage.now += 0.5
        stage.take(
            0,
            SweepOutcome(
                *(stage.now, stage.now, False, "away", Roster(), None, None, 0.7), doubt=doubt
            ),
        )
    told = figures(stage).shards["mc1:11211"]
    assert told.unproven == {NoProof.TIMEOUT: 1, NoProof.STORE: 2}
    assert (sum(told.sweeps.counts), sum(told.canaries.counts)) == (6, 3)
    assert told.sweeps.sum == pytest.approx(3 * 0.01 + 3 * 0.7)


def test_a_sweep_that_took_too_long_is_no_evidence_though_it_was_whole() -> None:
    stage = stage_of("a")
    stage.now += 0.5
    begin = stage.now
    stage.now += 30.0
    stage.take(0, SweepOutcome(begin, stage.now, True, "", Roster(), None, 0.001, 30.0))
    assert figures(stage).shards["mc1:11211"].unproven == {NoProof.TOO_LONG: 1}


def test_very_many_groups_are_counted_together() -> None:
    stage = Stage()
    roll = stage.roll
    roll.figures = RunFigures(roll.detector.members, roll.directory.zones, groups=2)
    stage.sweep()
    seated = tuple((slot, Member(f"g{slot}", "a")) for slot in range(5))
    stage.sweep(dict.fromkeys(range(5), (7, 1)), seated=seated)
    stage.sweep(dict.fromkeys(range(5), (7, 2)))
    counted = {kind.group: count for kind, count in figures(stage).transitions.items()}
    assert sorted(counted.values()) == [1, 1, 3]
    assert counted[""] == 3


def test_new_beats_are_counted_with_what_they_say_of_themselves() -> None:
    stage = stage_of("a", "b")
    told = figures(stage).shards["mc1:11211"]
    assert (told.beats, told.missed, sum(told.lags.counts)) == (4, 0, 4)
    stage.sweep({0: (7, 3), 1: (7, 2)}, missed=2, lag=0.3)  # the second is an old one
    assert (told.beats, told.missed) == (5, 2)
    assert told.lags.sum == pytest.approx(0.3)


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_one_by_one_or_all_at_once_comes_to_the_same(some: list[float], more: list[float]) -> None:
    single, together = Histogram((1.0, 10.0, 100.0)), Histogram((1.0, 10.0, 100.0))
    for value in [*some, *more]:
        single.observe(value)
    together.observe_all(np.array(some))
    together.observe_all(np.array(more))
    assert single.counts == together.counts
    assert single.counts[0] == sum(value <= 1.0 for value in [*some, *more])
    assert single.sum == pytest.approx(together.sum)


async def test_prometheus_reads_all_of_it() -> None:
    stage = stage_of("a", "b")
    silence(stage)
    stage.sweep({0: (7, 3)})
    said = await scene()
    page = render(
        telling(stage),
        said.desk.groups_steps(),
        gauges=said.gauges,
        readers=0,
        counted=counted_families(figures(stage)),
    )
    told = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(whole(page).decode())
        for sample in family.samples
    }
    assert told["musterd_transitions_total", "compute", "down", "silent", "up"] == 2
    assert told["musterd_false_downs_total", "compute"] == 1
    assert told["musterd_unproven_sweeps_total", "mc1:11211", "timeout"] == 0
    assert told["musterd_detection_seconds_count",] == 2
    assert told["musterd_detection_seconds_bucket", "2.5"] == 0
    assert told["musterd_detection_seconds_bucket", "+Inf"] == 2
    assert told["musterd_sweep_duration_seconds_count", "mc1:11211"] == 13
    assert told["musterd_beats_total", "mc1:11211"] == 5
    assert told["musterd_missed_pushes_total", "mc1:11211"] == 0
    assert told["musterd_beat_lag_seconds_count", "mc1:11211"] == 5
    assert told["musterd_trace_lost_lines_total",] == 0
    assert ("musterd_registry_written_time_seconds",) not in told
    assert told["musterd_canary_duration_seconds_bucket", "0.001", "mc1:11211"] == 13
