"""Services that write of themselves to the door are judged by its listening time."""

from dataclasses import dataclass, field

import pytest

from musterd_coordinator.nova.writers import Writers
from tests.unit.fleet import rules

DOWN_TIME = 4.0
A, B = b"a" * 40, b"b" * 40


@dataclass
class Door:
    """Writers in the test's hands: rounds of half a second, and no other clock."""

    most: int = 100
    now: float = 1000.0
    writers: Writers = field(init=False)

    def __post_init__(self) -> None:
        made = rules(service_down_time=DOWN_TIME, interval=1.0)
        self.writers = Writers(made, period=0.5, timeout=0.5, most=self.most)

    def silences(self) -> list[float | None]:
        return [self.writers.silence(key) for key in (A, B)]

    def rounds(self, seconds: float, *keys: bytes, proven: bool = True) -> None:
        """Services of ``keys`` write before each round."""
        for _ in range(round(seconds / 0.5)):
            for key in keys:
                assert self.writers.hear(key)
            self.now += 0.5
            self.writers.judge(self.now, self.now + 0.01, proven=proven, canary=0.01)


def test_a_service_that_writes_is_there_and_one_that_stops_is_down() -> None:
    door = Door()
    door.rounds(10, A, B)
    door.rounds(DOWN_TIME - 1, B)
    assert door.silences() == pytest.approx([3, 0])
    door.rounds(1.5, B)
    assert door.silences() == [None, 0]
    assert door.writers.gone == 1


def test_one_that_comes_back_is_there_at_once() -> None:
    door = Door()
    door.rounds(2, A)
    door.rounds(10)
    assert door.writers.silence(A) is None
    door.writers.hear(A)
    assert door.writers.silence(A) == 0


def test_silence_counts_only_while_the_door_could_be_written_to() -> None:
    door = Door()
    door.rounds(10, A)
    door.rounds(100, proven=False)
    assert door.writers.silence(A) == 0
    assert not door.writers.listening
    door.now += 3600  # it was stopped, or the host slept
    door.rounds(DOWN_TIME - 0.5)
    assert door.writers.silence(A) is not None
    door.rounds(2)
    assert door.writers.silence(A) is None


def test_many_that_fall_silent_at_once_are_held() -> None:
    door = Door()
    keys = [b"%040d" % number for number in range(9)]
    door.rounds(10, *keys)
    door.rounds(DOWN_TIME + 4)
    assert door.writers.gone == 0
    door.rounds(20)
    assert door.writers.gone == 9


def test_there_are_no_more_than_may_be_and_the_dead_make_room() -> None:
    door = Door(most=2)
    door.rounds(2, A, B)
    assert not door.writers.hear(b"c" * 40)
    door.rounds(10, B)
    assert door.writers.hear(b"c" * 40)
    assert A not in door.writers
    assert len(door.writers) == 2


def test_one_that_is_forgotten_between_two_rounds_is_gone() -> None:
    door = Door()
    door.rounds(2, A, B)
    door.writers.hear(A)
    door.writers.forget([A, b"c" * 40])
    door.rounds(1, B)
    assert A not in door.writers
    with pytest.raises(KeyError):
        door.writers.silence(A)


def test_the_next_run_begins_as_this_one_ended_and_gives_everybody_time() -> None:
    first = Door()
    first.rounds(2, A, B)
    first.rounds(DOWN_TIME + 4, B)
    first.rounds(DOWN_TIME - 1)
    again = Door()
    again.writers.restore(first.writers.kept())
    assert again.silences() == [None, pytest.approx(3)]
    again.rounds(1.5)
    assert again.writers.silence(B) is not None
    again.rounds(DOWN_TIME)
    assert again.writers.silence(B) is None


def test_services_may_come_and_go_while_what_is_kept_of_them_is_read() -> None:
    door = Door()
    door.rounds(2, A, B)
    kept = door.writers.kept()
    first, *_ = next(kept)
    door.writers.forget([B if first == A else A])
    door.writers.hear(b"c" * 40)
    assert list(kept) == []


def test_a_view_of_more_than_may_be_is_cut() -> None:
    door = Door(most=1)
    door.writers.restore([(A, False, 0.0), (B, False, 0.0)])
    assert len(door.writers) == 1
