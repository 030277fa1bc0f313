"""What is recorded of a watched cell is judged anew as it was, and a report says what befell it."""

from dataclasses import replace

import pytest
from benchmarks import week
from benchmarks.simulation.cells import CellScenario, Trouble
from benchmarks.week import Week, header_of

from musterd.report import assessed
from musterd.report.assessing import OURS, Assessment
from musterd.trace.recording import Recording, Stretch
from musterd_coordinator.replay import verdicts_of

QUEUE = Trouble(500.0, 650.0, lost=1.0)
DATABASE = Trouble(500.0, 590.0, lost=1.0, told=True, database=True)
CONDUCTOR = Trouble(500.0, 800.0, lost=1 / 3)
ONE_DIES, MANY_DIE = Trouble(900.0, deaths=1), Trouble(900.0, deaths=4)
CELL = CellScenario(40, duration=1500.0, storm_min=5)


def stretch_of(*troubles: Trouble) -> Stretch:
    """What a reader makes of a cell with these troubles."""
    scenario = replace(CELL, troubles=troubles)
    recording = Recording(header_of(scenario))
    recording.add(Week(scenario).lines())
    return recording.finish()


def made_of(stretch: Stretch) -> Assessment:
    return assessed([stretch], (0.0, 9e9))


def causes(made: Assessment, judge: str) -> set[str]:
    return {each.culprit.value for each in made.mistakes if each.judge == judge}


@pytest.mark.parametrize(
    "troubles",
    [(QUEUE, ONE_DIES), (DATABASE, MANY_DIE), (CONDUCTOR, ONE_DIES)],
    ids=["queue", "database", "conductor"],
)
def test_a_replay_gives_the_verdicts_that_were_recorded(troubles: tuple[Trouble, ...]) -> None:
    stretch = stretch_of(*troubles)
    again = verdicts_of(stretch, {})
    for member, (_, *said) in stretch.verdicts.items():  # the first is that it was up
        assert [each.word for each in again.get(member, ())] == [each.word for each in said]
        for one, other in zip(said, again.get(member, ()), strict=True):
            assert one.t == pytest.approx(other.t, abs=2.0)


def test_nova_errs_where_musterd_does_not_and_the_report_says_why() -> None:
    for trouble, cause in ((QUEUE, "storm"), (DATABASE, "shard"), (CONDUCTOR, "storm")):
        made = made_of(stretch_of(trouble))
        assert cause in causes(made, "db")
        assert causes(made, OURS) == set()


def test_deaths_are_found_by_both() -> None:
    made = made_of(stretch_of(MANY_DIE))
    assert len(made.deaths) == 4
    assert all(each.found.keys() == {"db", OURS} for each in made.deaths)


def test_a_week_has_all_that_is_told_of_it() -> None:
    assert max(trouble.begin for trouble in week.WEEK) < 7 * week.DAY
    assert sum(trouble.deaths for trouble in week.WEEK) == 5
