"""A sweep taken in in steps: what others see, and do, between two of them."""

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

import musterd_coordinator.judge.members as members_module
import musterd_coordinator.judge.sweep as judging_module
import musterd_coordinator.roll.reporting as telling_module
import musterd_coordinator.roll.versions as changes_module
from musterd.model import State
from musterd_coordinator.judge.members import Code
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Rejected
from musterd_coordinator.sweep.loop import SweepOutcome
from tests.unit.stage import Stage, columns_of, host

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members a step."""
    for module in (judging_module, members_module):
        monkeypatch.setattr(module, "LOOKED_AT", 2)
    for module in (changes_module, telling_module):
        monkeypatch.setattr(module, "_AT_ONCE", 2)


def sweep_of(
    stage: Stage, beats: dict[int, tuple[int, int]], seated: tuple[str, ...] = ()
) -> SweepOutcome:
    stage.now += 0.5
    sweep = BeatBatch(columns_of(beats, 0), Rejected(), complete=True)  # type: ignore[arg-type]
    roster = Roster([(slot, host(name)) for slot, name in enumerate(seated)])
    return SweepOutcome(stage.now, stage.now, True, "", roster, sweep, 0.001, 0.01)


def test_states_and_version_change_in_one_step() -> None:
    stage, names = Stage(), tuple("abcde")
    stage.sweep()
    stage.sweep(seated=tuple(enumerate(map(host, names))))
    version = stage.roll.version
    seen = list[tuple[set[State], int]]()
    for _ in stage.roll.steps(0, sweep_of(stage, dict.fromkeys(range(5), (7, 1)))):
        seen.append(({stage.state(name) for name in names}, stage.roll.version))
    before, after = ({State.UNKNOWN}, version), ({State.UP}, version + 1)
    assert seen == sorted(seen, key=lambda each: each[1])
    assert {each[1] for each in seen} == {version, version + 1}
    assert all(each in (before, after) for each in seen)
    assert seen.count(before) >= 6  # three for the beats, three for the silence


def silent_fleet(count: int) -> tuple[Stage, tuple[str, ...]]:
    """Members that fell silent, one sweep before they are judged."""
    stage, names = Stage(), tuple(f"h{n}" for n in range(count))
    stage.sweep()
    stage.sweep(dict.fromkeys(range(count), (7, 1)), seated=tuple(enumerate(map(host, names))))
    detector = stage.roll.detector
    while detector.silence_of(0) + 0.5 < detector.members.down_after[0]:
        stage.sweep()
    assert {stage.state(name) for name in names} == {State.UP}
    return stage, names


def test_a_mass_silence_shows_in_one_step_however_many_it_took() -> None:
    stage, names = silent_fleet(9)
    before = stage.roll.version
    seen = set[tuple[State, int]]()
    for _ in stage.roll.steps(0, sweep_of(stage, {})):
        states = {stage.state(name) for name in names}
        assert len(states) == 1
        seen.add((states.pop(), stage.roll.version))
    assert seen == {(State.UP, before), (State.SUSPECT, before + 1)}


def test_many_deaths_have_one_line_whatever_steps_they_were_found_in() -> None:
    count = telling_module.LOGGED_SINGLY + 1
    stage, _ = silent_fleet(count)
    with capture_logs() as lines:
        stage.sweep()
    assert [(line["event"], line["count"]) for line in lines] == [("members suspect", count)]


def test_who_is_forgotten_before_its_line_is_written_is_named_in_it() -> None:
    stage, names = silent_fleet(9)
    with capture_logs() as lines:
        steps = stage.roll.steps(0, sweep_of(stage, {}))
        while not [line for line in lines if line["event"] == "member suspect"]:
            next(steps)
        stage.roll.remove([row for name in names if (row := row_of(stage, name)) is not None])
        for _ in steps:
            pass
    said = [line["member"] for line in lines if line["event"] == "member suspect"]
    assert sorted(said) == [f"compute/{name}" for name in names]


def row_of(stage: Stage, name: str) -> int | None:
    return stage.roll.directory.row("compute", name)


async def test_who_follows_hears_all_of_a_version_however_long_it_takes_to_describe() -> None:
    stage, names = silent_fleet(9)
    log, before = stage.roll.changes, stage.roll.version
    heard = list[list[tuple[str, State, bool]]]()

    async def follow() -> None:
        await log.wait(before)
        await log.flushed()
        changes = log.changes_since(before, None) or []
        heard.append([(change.member, change.state, change.gone) for change in changes])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        for _ in stage.roll.steps(0, sweep_of(stage, {})):
            await anyio.wait_all_tasks_blocked()
    assert [sorted(each) for each in heard] == [[(name, State.SUSPECT, False) for name in names]]


def test_what_is_forgotten_while_a_version_is_described_was_changed_first() -> None:
    stage, names = silent_fleet(9)
    log, before = stage.roll.changes, stage.roll.version
    steps = stage.roll.steps(0, sweep_of(stage, {}))
    while log.version == before:
        next(steps)
    forgotten = row_of(stage, names[8])
    assert forgotten is not None
    stage.roll.remove([forgotten])
    for _ in steps:
        pass
    changes = log.changes_since(before, None) or []
    assert [(change.version - before, change.gone) for change in changes] == [
        *[(1, False)] * 9,
        (2, True),
    ]


def test_who_takes_the_row_of_one_that_was_due_is_not_judged_in_its_place() -> None:
    stage, names = silent_fleet(5)
    steps, row = stage.roll.steps(0, sweep_of(stage, {})), row_of(stage, names[4])
    assert row is not None
    while not len(stage.roll.detector.silences.due(0, slice(4, 5)).rows):
        next(steps)
    for _ in range(4):  # it is known to be due, and nobody was judged yet
        next(steps)
    assert stage.state(names[4]) is State.UP
    stage.roll.remove([row])
    (newcomer,) = stage.roll.detector.add_all(
        np.array([Code.UNKNOWN], np.uint8), np.zeros((1, 1), np.int16), np.zeros(1)
    )
    assert newcomer == row
    for _ in steps:
        pass
    assert stage.roll.detector.members.state[newcomer] == Code.UNKNOWN


def test_who_is_forgotten_between_two_steps_does_not_come_back() -> None:
    stage = Stage()
    stage.sweep()
    stage.sweep(seated=((0, host("a")), (1, host("b"))))
    forgotten = stage.roll.directory.row("compute", "a")
    assert forgotten is not None
    steps = stage.roll.steps(0, sweep_of(stage, {0: (7, 1), 1: (8, 1)}))
    next(steps)
    stage.roll.remove([forgotten])
    (newcomer,) = stage.roll.detector.add_all(  # in the row that became free
        np.array([Code.UNKNOWN], np.uint8), np.zeros((1, 1), np.int16), np.zeros(1)
    )
    assert newcomer == forgotten
    for _ in steps:
        pass
    assert stage.roll.detector.members.state[newcomer] == Code.UNKNOWN
    assert stage.state("b") is State.UP


def test_who_beats_between_two_steps_is_not_judged_by_the_first() -> None:
    stage = Stage(shards=2, replicas=2)
    for shard in (0, 1):
        stage.sweep(shard=shard)
        stage.sweep({0: (7, 1)}, seated=((0, host("a")),), shard=shard)
    for _ in range(100):
        steps = stage.roll.steps(0, sweep_of(stage, {}))
        next(steps, None)
        due = stage.roll.detector.silences.due(0, slice(0, 1)).rows.tolist()
        if due:
            stage.sweep({0: (7, 2)}, shard=1)
        for _ in steps:
            pass
        assert stage.state("a") is State.UP
        if due:
            return
    pytest.fail("its silence was never complete")
