"""A forgotten member stays so until there is news of it, whatever still stands in the store."""

from musterd.beat import Status
from musterd_coordinator.roll.absent import LATELY, Absent
from tests.unit.stage import columns_of, host

FORGOTTEN = 10.0


def absent(*shards: int) -> Absent:
    """One that holds a, which had slot 5 of these shards."""
    made = Absent()
    made.add(host("a"), dict.fromkeys(shards, 5), FORGOTTEN)
    return made


def test_it_is_absent_until_its_last_seat_is_gone() -> None:
    gone = absent(0, 1)
    gone.vacate(0, 5, 11.0)
    assert len(gone) == 1
    gone.vacate(1, 5, 11.0)
    assert (len(gone), bool(gone)) == (0, True)


def test_a_seat_is_news_only_after_a_sweep_that_saw_it_empty() -> None:
    gone = absent(0, 1)
    gone.vacate(0, 5, 11.0)
    for _ in range(2):  # two rosters of one sweep
        assert gone.stays_absent(0, 7, host("a"), 11.0)
    assert not gone.stays_absent(0, 7, host("a"), 12.0)


def test_one_that_another_coordinator_forgot_again_begins_anew() -> None:
    gone = absent(0)
    first, second = (columns_of({5: (7, number)}, Status.OK) for number in (1, 2))
    assert gone.find_returned(0, first, 11.0) == []
    gone.forget_again("compute", "a", 20.0)
    assert gone.find_returned(0, second, 12.0) == []  # that sweep began before
    assert gone.find_returned(0, second, 21.0) == []  # may be its last word
    assert [each.member for each in gone.find_returned(0, first, 22.0)] == [host("a")]


def test_one_without_a_seat_is_remembered_for_as_long_as_a_sweep_may_take() -> None:
    gone = Absent()
    gone.forget_again("compute", "x", 0.0)
    gone.forget_again("compute", "y", LATELY + 1)
    assert not gone.stays_absent(0, 1, host("x"), LATELY + 2)
    assert gone.stays_absent(0, 2, host("y"), LATELY + 2)
