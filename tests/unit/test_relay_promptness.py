"""When a relay says of itself that agents do not hear of their beats in time."""

import pytest

from musterd.beat import Status
from musterd_coordinator.relay.promptness import Promptness, Report

LIMIT = 2.0


@pytest.mark.parametrize(
    ("waited", "given_up", "status"),
    [
        (0.3, 0, Status.OK),
        (LIMIT, 0, Status.OK),
        (LIMIT + 0.1, 0, Status.CHECK_FAILING),
        (0.3, 100, Status.OK),  # a tenth
        (0.3, 101, Status.CHECK_FAILING),
    ],
)
def test_a_relay_that_lags_or_loses_beats_says_so(
    waited: float, given_up: int, status: Status
) -> None:
    promptness = Promptness(LIMIT)
    promptness.answered(1000 - given_up, waited)
    promptness.missed(given_up)
    assert promptness.report() == Report(status, given_up, round(1000 * waited))


def test_a_loop_that_stood_still_is_told_as_well() -> None:
    promptness = Promptness(LIMIT)
    promptness.waited(3.0)
    assert promptness.report() == Report(Status.CHECK_FAILING, 0, 3000)


def test_each_report_is_of_what_came_since_the_last_one() -> None:
    promptness = Promptness(LIMIT)
    promptness.answered(10, 5.0)
    promptness.missed(90)
    promptness.report()
    assert promptness.report() == Report(Status.OK, 0, 0)
