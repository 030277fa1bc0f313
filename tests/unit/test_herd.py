"""What reports say of the way that they take, and what those say who report irregularly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd_coordinator.sweep.nova.herd import (
    EVIDENCE,
    MOST_INTERVALS,
    Herd,
    Kept,
    Promises,
    WayEvidence,
    tolerated,
)
from musterd_coordinator.sweep.nova.pace import LookClock, ReportPace
from musterd_coordinator.sweep.nova.witness import Witness

PACE = ReportPace(interval=10.0, patience=60.0, period=1.0)


def slots(*some: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(some, np.int64)


def reports(herd: Herd, hosts: range, seconds: int, begin: int, every: int = 10) -> list[bool]:
    """These report every so often, each in a second of its own; was their way open in each second?"""
    opened = []
    for second in range(begin, begin + seconds):
        due = [host for host in hosts if (second - host) % every == 0]
        herd.take(float(second), slots(*due))
        opened.append(herd.is_open)
    return opened


@pytest.mark.parametrize(
    ("living", "most"),
    [(0, 0), (1, 0), (29, 0), (30, 1), (119, 1), (120, 2), (1000, 5), (10_000, 18)],
)
def test_a_few_of_many_may_fall_silent(living: int, most: int) -> None:
    assert tolerated(living) == most


def steady(*hosts: int) -> Promises:
    """Promises of hosts that reported at 10, 20, … 100, and kept them all."""
    promises = Promises(PACE)
    for turn in range(10):
        kept = promises.take(10.0 * (turn + 1), slots(*hosts))
        assert kept == Kept(len(hosts) if turn else 0, 0, len(hosts))
    return promises


def test_a_promise_is_kept_or_broken_once() -> None:
    promises = steady(0, 1)
    assert promises.take(110.0, slots(0)) == Kept(1, 0, 2)
    assert promises.take(121.0, slots(0)) == Kept(1, 0, 2)
    assert promises.take(122.0, slots()) == Kept(0, 1, 2)
    assert promises.take(160.0, slots()) == Kept(0, 1, 1)
    assert promises.take(190.0, slots()) == Kept(0, 0, 0)
    assert promises.take(191.0, slots(1)) == Kept(0, 0, 1), "it is late, and keeps none by that"
    assert promises.take(199.0, slots(1)) == Kept(1, 0, 1)


def test_who_is_forgotten_promised_nothing() -> None:
    promises = steady(0, 1)
    promises.forget(slots(1, 700))
    assert promises.take(140.0, slots()) == Kept(0, 1, 1)
    assert promises.take(141.0, slots(1)) == Kept(0, 0, 1)


def test_a_way_is_open_as_soon_as_its_members_have_shown_it() -> None:
    opened = reports(Herd(PACE), range(30), 60, begin=100)
    assert 10 < opened.index(True) <= 21
    assert all(opened[21:])


def test_few_members_take_longer_to_show_it() -> None:
    opened = reports(Herd(PACE), range(3), 200, begin=100)
    assert 100 < opened.index(True) <= 121


def test_who_reports_too_seldom_shows_nothing() -> None:
    assert not any(reports(Herd(PACE), range(1), 3000, begin=100, every=21))


def test_one_of_thirty_may_fall_silent_and_one_of_twenty_nine_may_not() -> None:
    for hosts, open_still in ((30, True), (29, False)):
        herd = Herd(PACE)
        reports(herd, range(hosts), 200, begin=100)
        opened = reports(herd, range(1, hosts), 35, begin=300)
        assert all(opened) == open_still


def test_it_is_open_again_an_interval_after_the_last_that_fell_silent() -> None:
    herd = Herd(PACE)
    reports(herd, range(100), 200, begin=100)
    opened = reports(herd, range(50, 100), 60, begin=300)
    shut = [second for second, is_open in enumerate(opened) if not is_open]
    assert min(shut) >= 11
    assert max(shut) <= 21 + 10 + 1
    assert len(shut) >= 15


def test_where_nobody_reports_it_is_shut_for_ever() -> None:
    herd = Herd(PACE)
    reports(herd, range(100), 200, begin=100)
    opened = reports(herd, range(0), 2000, begin=300)
    assert not any(opened[21:])
    assert herd.reason == "none of them reports in time"


def test_no_promise_kept_shows_nothing_even_if_none_is_broken() -> None:
    evidence = WayEvidence(PACE)
    for second in range(100, 120):
        evidence.add(float(second), Kept(10, 0, 100))
    assert evidence.is_open
    for second in range(120, 150):
        evidence.add(float(second), Kept(0, 0, 100))
        assert evidence.is_open == (second < 140)


def test_a_host_with_trouble_of_its_own_does_not_shut_the_way_of_others_for_ever() -> None:
    herd = Herd(PACE)
    opened = list[bool]()
    for second in range(100, 3100):
        due = [host for host in range(1, 20) if (second - host) % 10 == 0]
        herd.take(float(second), slots(*due, *([0] if second % 33 == 0 else [])))
        opened.append(herd.is_open)
    assert sum(opened[300:]) > 0.9 * len(opened[300:])


def test_many_hosts_with_trouble_shut_it() -> None:
    herd = Herd(PACE)
    opened = list[bool]()
    for second in range(100, 1100):
        well = [host for host in range(4, 20) if (second - host) % 10 == 0]
        ill = [host for host in range(4) if (second - 8 * host) % 33 == 0]
        herd.take(float(second), slots(*well, *ill))
        opened.append(herd.is_open)
    assert sum(opened[300:]) < 0.1 * len(opened[300:])


def test_the_reason_has_figures() -> None:
    herd = Herd(PACE)
    assert herd.reason == "none of them reports in time"
    reports(herd, range(20), 12, begin=100)
    assert herd.reason == f"4 of {EVIDENCE} reports in time were seen, from 20"
    reports(herd, range(20), 100, begin=112)
    reports(herd, range(3, 20), 25, begin=212)
    assert herd.reason == "3 fell silent lately, while 17 report"


def test_nobody_is_late_because_nobody_looked() -> None:
    herd = Herd(PACE)
    reports(herd, range(100), 200, begin=100)
    assert herd.is_open
    reports(herd, range(100), 30, begin=900)
    assert herd.is_open


@given(st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50).map(sorted))
def test_the_clock_of_looks_never_runs_ahead(instants: list[float]) -> None:
    clock = LookClock(PACE)
    times = [clock.look(instant) for instant in instants]
    assert times[0] == 1.0
    steps = np.diff(times)
    assert ((steps >= 0) & (steps <= 1.5 + 1e-9)).all()
    assert times[-1] - times[0] <= instants[-1] - instants[0] + 1e-6


def test_a_witness_is_good_for_two_intervals() -> None:
    witness = Witness(PACE)
    witness.take(100.0, reported=False)
    assert not witness.is_open
    assert "was seen to report yet" in witness.reason
    witness.take(101.0, reported=True)
    for second in range(102, 123):
        witness.take(float(second), reported=False)
        assert witness.is_open
    witness.take(123.0, reported=False)
    assert not witness.is_open
    assert "has reported for 22 s: is its table locked?" in witness.reason


def test_what_is_kept_of_the_past_is_bounded() -> None:
    herd = Herd(PACE)
    reports(herd, range(5), 5000, begin=100)
    assert len(herd._evidence._sweeps) <= MOST_INTERVALS * PACE.interval
