"""What a coordinator's own recorder kept is judged anew as its roll judged it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from musterd.trace.reader import read_trace
from musterd.trace.recording import Stretch
from musterd_coordinator.replay import verdicts_of
from tests.examples import examples
from tests.unit.trace_stage import TraceStage

NAMES = ["h1", "h2", "h3", "h4", "h5", "h6", "h7"]
SETTINGS = {
    "service_down_time": 4.0,
    "interval": 1.0,
    "sweep_period": 0.5,
    "storm_min": 5,
    "storm_fraction": 1 / 3,
    "storm_hold": 8.0,
}

acts = st.lists(
    st.tuples(
        st.sets(st.integers(0, len(NAMES) - 1)),  # who is silent
        st.integers(1, 30),  # for how many sweeps
        st.integers(0, 8),  # of a shard that then is away
    ),
    max_size=5,
)


def play(folder: Path, story: list[tuple[set[int], int, int]]) -> Stretch:
    stage = TraceStage(folder)
    beats = stage.join(*NAMES)
    stage.go_on(beats, 12)
    for silent, sweeps, away in story:
        alive = {slot: number for slot, number in beats.items() if slot not in silent}
        stage.go_on(alive, sweeps)
        beats |= alive
        for _ in range(away):
            stage.away()
    stage.go_on(beats, 20)
    stage.end()
    (stretch,) = read_trace(folder).stretches
    stretch.header = replace(stretch.header, settings=SETTINGS)
    return stretch


@settings(max_examples=examples(100), deadline=None)
@given(acts)
def test_the_verdicts_are_those_that_were_recorded(story: list[tuple[set[int], int, int]]) -> None:
    with TemporaryDirectory() as folder:
        stretch = play(Path(folder), story)
    again = verdicts_of(stretch, {})
    for member, said in stretch.verdicts.items():
        assert [each.word for each in again[member]] == [each.word for each in said]
        for one, other in zip(said, again[member], strict=True):
            assert one.t == pytest.approx(other.t, abs=1.0)
