"""What is remembered of those who come and go is bounded: the oldest go first."""

from types import SimpleNamespace

from musterd.client import choice
from musterd.client.choice import RUNS, Rotation
from musterd_coordinator.http.login import ADDRESSES, _Lines
from musterd_coordinator.registry import quarantine as of_rows
from musterd_coordinator.registry.quarantine import RowQuarantine
from musterd_coordinator.roll import lives
from musterd_coordinator.roll.lives import ForgottenLives
from musterd_coordinator.sweep.signed.signing import BEATS_TO_RETURN, EndedRuns
from musterd_coordinator.sweep.slots import quarantine as of_slots
from musterd_coordinator.sweep.slots.quarantine import SlotQuarantine


def test_forgettings() -> None:
    forgotten = ForgottenLives()
    forgotten.learn(range(1, lives.REMEMBERED + 3))
    assert [forgotten.knows(number) for number in (1, 2, 3)] == [False, False, True]
    assert len(forgotten.numbers()) == lives.REMEMBERED


def test_runs_of_coordinators() -> None:
    rotation = Rotation([])
    for run in range(RUNS + 1):
        assert not rotation.is_older(f"r{run}", SimpleNamespace(version=9))
    assert rotation.is_older("r1", SimpleNamespace(version=8))
    assert not rotation.is_older("r0", SimpleNamespace(version=8))
    assert len(rotation._newest) == choice.RUNS


def test_keys_that_were_named() -> None:
    left_out = SlotQuarantine("mc1:11211")
    for number in range(of_slots.REMEMBERED + 1):
        left_out.refuse("hint", b"%d" % number, "no slot")
    assert left_out._named == {b"%d" % of_slots.REMEMBERED}


def test_rows_that_were_named() -> None:
    left_out = RowQuarantine("registry row damaged")
    for number in range(of_rows.REMEMBERED + 1):
        left_out.add(f"compute/h{number}", "no state")
    assert len(left_out) == of_rows.REMEMBERED
    assert f"compute/h{of_rows.REMEMBERED}" not in left_out


def test_addresses_that_were_refused() -> None:
    lines = _Lines(lambda: 0.0)
    for number in range(ADDRESSES + 1):
        lines.one_more(f"10.0.0.{number}")
    assert len(lines._of) == ADDRESSES
    assert "10.0.0.0" not in lines._of


def test_runs_that_ended() -> None:
    ended = EndedRuns(lambda: 60.0, most=2)
    for run in (1, 2, 3):
        ended.add(7, run, 100, now=0.0)
    assert not ended.is_over(7, 1, 50)
    assert ended.is_over(7, 2, 50)
    ended.add(7, 4, 100, now=61.0)
    assert (len(ended), ended.is_over(7, 3, 50), ended.is_over(7, 4, 50)) == (1, False, True)
    told = [ended.is_over(7, 4, 100 + beat) for beat in range(1, BEATS_TO_RETURN + 1)]
    assert told == [*[True] * (BEATS_TO_RETURN - 1), False]
