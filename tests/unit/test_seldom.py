"""What happens all the time has a line now and then."""

from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from musterd_coordinator.limits.seldom import Seldom


def test_the_first_time_is_said_at_once_and_the_rest_is_counted() -> None:
    now = 0.0
    seldom = Seldom("client cut off", lambda: now, period=60.0)
    with capture_logs() as lines:
        for now in (0.0, 1.0, 59.9, 60.0, 61.0):
            seldom.warn(client=now)
    assert [(line["event"], line["client"], line.get("times")) for line in lines] == [
        ("client cut off", 0.0, None),
        ("client cut off", 60.0, 3),
    ]


@given(steps=st.lists(st.floats(0, 100), max_size=200))
def test_never_more_lines_than_periods(steps: list[float]) -> None:
    now = 0.0
    seldom = Seldom("x", lambda: now, period=60.0)
    with capture_logs() as lines:
        for step in steps:
            now += step
            seldom.warn()
    assert len(lines) <= now // 60 + 1
