"""Beats that wait in a relay: the newest of each member, and everybody is told."""

from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Beat, pack, unpack
from musterd_coordinator.relay.waiting import Newest, Waiting, identity_in

runs = st.integers(1, 2)
sequences = st.integers(1, 4)
arrivals = st.lists(st.tuples(st.integers(1, 3), runs, sequences, st.booleans()), max_size=30)


def waiting(identity: int, run: int = 1, sequence: int = 1) -> Waiting:
    return Waiting(identity, pack(Beat(identity, run, sequence, 1000)), b"fleet:b:00000000")


@given(arrivals)
def test_each_member_once_by_its_newest_beat_and_all_are_told(
    came: list[tuple[int, int, int, bool]],
) -> None:
    newest, beats = Newest(), []
    for identity, run, sequence, abandoned in came:
        beat = waiting(identity, run, sequence)
        beat.abandoned = abandoned
        newest.add(beat)
        beats.append(beat)
    taken = newest.take()
    assert not newest
    assert len({beat.identity for beat in taken}) == len(taken)
    wanted = {beat.identity for beat in beats if not beat.abandoned}
    assert {beat.identity for beat in taken} == wanted
    for beat in taken:
        of_member = [other for other in beats if other.identity == beat.identity]
        assert beat is one_after_the_other(of_member)
        beat.settle(b"STORED")
        assert all(other.outcome == b"STORED" for other in of_member)


def one_after_the_other(beats: list[Waiting]) -> Waiting:
    """What a table would hold that refuses to go back within a run."""
    held, *rest = beats
    for beat in rest:
        mine, its = unpack(beat.record), unpack(held.record)
        if mine.incarnation != its.incarnation or mine.sequence >= its.sequence:
            held = beat
    return held


def test_the_last_of_two_runs_counts() -> None:
    newest = Newest()
    for run, sequence in ((1, 9), (2, 1)):
        newest.add(waiting(7, run, sequence))
    [beat] = newest.take()
    assert beat.record[16] == 2


def test_everybody_who_waits_is_woken_once() -> None:
    newest, woken = Newest(), []
    for sequence in (2, 1, 3):
        beat = waiting(7, sequence=sequence)
        beat.wake = lambda sequence=sequence: woken.append(sequence)
        newest.add(beat)
    [beat] = newest.take()
    beat.settle(b"STORED")
    assert sorted(woken) == [1, 2, 3]


def test_some_are_taken_in_the_order_they_came() -> None:
    newest = Newest()
    for identity in (5, 3, 4):
        newest.add(waiting(identity))
    assert [beat.identity for beat in newest.take(2)] == [5, 3]
    assert [beat.identity for beat in newest.take(2)] == [4]
    assert newest.take(2) == []


def test_whose_beat_it_is() -> None:
    record = pack(Beat(2**64 - 5, 1, 1, 1000))
    assert identity_in(record) == 2**64 - 5
    for nonsense in (b"", record[:-1], record + b"x", b"X" + record[1:], record[:2] + b"\2" * 62):
        assert identity_in(nonsense) is None
