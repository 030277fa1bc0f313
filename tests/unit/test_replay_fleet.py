"""Members of a replay beat as they were recorded to."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Status
from musterd.trace.recording import Silence
from musterd_coordinator.judge.members import Code
from musterd_coordinator.replay.fleet import RecordedFleet
from musterd_coordinator.replay.script import OwnWord, Part

INTERVAL = 10.0


def part(*silences: Silence, begins: float = 3.0, words: tuple[OwnWord, ...] = ()) -> Part:
    zone = "compute", "az1"
    return Part(1, 0.0, inf, Code.UP, begins, INTERVAL, (0,), zone, silences, words)


def beats(fleet: RecordedFleet, seconds: int) -> list[tuple[int, int, int]]:
    """When the only member beat, of which run, and with which number."""
    found = []
    for now in range(1, seconds + 1):
        rows, sent = fleet.beat(float(now))
        if len(rows):
            found.append((now, sent.incarnation.item(0), sent.sequence.item(0)))
    return found


def test_a_member_beats_once_an_interval_but_in_its_silences() -> None:
    fleet = RecordedFleet([part(Silence(25.0, 60.0), Silence(80.0))], 0.0)
    assert [now for now, _, _ in beats(fleet, 200)] == [3, 13, 23, 25, 60, 70, 80]


def test_another_run_begins_once() -> None:
    fleet = RecordedFleet([part(Silence(25.0, 60.0, restarted=True))], 0.0)
    runs = [(run, number) for _, run, number in beats(fleet, 85)]
    assert runs == [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (2, 3)]


def test_who_is_silent_already_does_not_beat_before_it_is_due() -> None:
    fleet = RecordedFleet([part(Silence(-70.0, 33.0))], 0.0)
    assert fleet.silent.all()
    assert fleet.next_at == 33.0
    assert beats(fleet, 50)[0][0] == 33
    assert not fleet.silent.any()


def test_what_a_member_says_of_itself_comes_at_once() -> None:
    words = (OwnWord(17.0, Status.CHECK_FAILING), OwnWord(40.0, Status.OK))
    fleet = RecordedFleet([part(words=words)], 0.0)
    said = {now: fleet.beat(float(now)) for now in range(1, 60)}
    status = {now: sent.status.item(0) for now, (rows, sent) in said.items() if len(rows)}
    assert status[13] == Status.OK
    assert status[17] == Status.CHECK_FAILING
    assert status[47] == Status.OK


def test_who_is_forgotten_beats_no_more() -> None:
    fleet = RecordedFleet([part(), part()], 0.0)
    rows, _ = fleet.beat(5.0)
    assert rows.tolist() == [0, 1]
    fleet.remove(rows[:1])
    assert fleet.beat(50.0)[0].tolist() == [1]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=20))
def test_however_seldom_it_is_asked_a_member_keeps_its_times(steps: list[int]) -> None:
    fleet, now = RecordedFleet([part()], 0.0), 0
    for step in steps:
        before, now = now, now + step
        rows, _ = fleet.beat(float(now))
        due = any(before < at <= now for at in range(3, now + 1, 10))
        assert bool(len(rows)) == due
