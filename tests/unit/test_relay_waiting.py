"""Beats that wait in a relay: the newest of each member counts, and everybody is told."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import SIZE, Beat, pack, unpack
from musterd.model import Member
from musterd_coordinator.relay.batch import LOST, STORED, Batch
from musterd_coordinator.relay.waiting import (
    FirstBeat,
    Newcomer,
    NewestFirst,
    PendingBeats,
    identity_in,
)
from musterd_coordinator.relay.writer import portions

runs = st.integers(1, 2)
sequences = st.integers(1, 4)
arrivals = st.lists(st.tuples(st.integers(1, 3), runs, sequences, st.booleans()), max_size=30)
WORDS = (b"STORED", b"NOT_STORED")


def record(identity: int, run: int = 1, sequence: int = 1) -> bytes:
    return pack(Beat(identity, run, sequence, 1000))


def first(identity: int, run: int = 1, sequence: int = 1) -> FirstBeat:
    newcomer = Newcomer("fleet", Member("compute", "h1"), b"")
    return FirstBeat(identity, record(identity, run, sequence), b"fleet:b:00000000", newcomer)


@given(arrivals)
def test_each_newcomer_once_by_its_newest_beat_and_all_are_told(
    came: list[tuple[int, int, int, bool]],
) -> None:
    newest, beats = NewestFirst(), []
    for identity, run, sequence, abandoned in came:
        beat = first(identity, run, sequence)
        beat.abandoned = abandoned
        newest.put(beat)
        beats.append(beat)
    taken = newest.pop()
    assert not newest
    assert len({beat.identity for beat in taken}) == len(taken)
    wanted = {beat.identity for beat in beats if not beat.abandoned}
    assert {beat.identity for beat in taken} == wanted
    for beat in taken:
        of_member = [other for other in beats if other.identity == beat.identity]
        assert beat.records == one_after_the_other([other.records for other in of_member])
        beat.acknowledge(b"STORED")
        assert all(other.outcome == b"STORED" for other in of_member)


@given(st.lists(st.lists(st.tuples(st.integers(1, 5), runs, sequences), min_size=1, max_size=5)))
def test_a_batch_has_each_member_once_by_its_newest_beat(
    came: list[list[tuple[int, int, int]]],
) -> None:
    waiting = [PendingBeats(b"".join(record(*beat) for beat in together)) for together in came]
    batch = Batch(waiting, lambda _: (0, 0))
    records: dict[int, list[bytes]] = {}
    for identity, run, sequence in (beat for together in came for beat in together):
        records.setdefault(identity, []).append(record(identity, run, sequence))
    assert {int(batch.identity[row]): batch.records[row].tobytes() for row in batch.newest} == {
        identity: one_after_the_other(some) for identity, some in records.items()
    }

    fate = {identity: (STORED, LOST)[identity % 2] for identity in records}
    batch.fate[batch.newest] = [
        fate[identity] for identity in batch.identity[batch.newest].tolist()
    ]
    assert sum(1 for _ in batch.acknowledge(WORDS)) == len(waiting)
    for one, together in zip(waiting, came, strict=True):
        assert one.outcome == b"\r\n".join(WORDS[fate[identity]] for identity, _, _ in together)


@given(st.lists(st.integers(1, 9)), st.integers(1, 20))
def test_a_statement_has_those_who_came_first(counts: list[int], most: int) -> None:
    waiting = [PendingBeats(record(1) * count) for count in counts]
    parts = list(portions(waiting, most))
    assert [one for part in parts for one in part] == waiting
    for part in parts[:-1]:
        assert sum(one.count for one in part) >= most
    assert all(sum(one.count for one in part[:-1]) < most for part in parts)


def one_after_the_other(beats: list[bytes]) -> bytes:
    """What a table would hold that refuses to go back within a run."""
    held, *rest = beats
    for beat in rest:
        mine, its = unpack(beat), unpack(held)
        if mine.incarnation != its.incarnation or mine.sequence >= its.sequence:
            held = beat
    return held


def test_those_who_came_together_are_told_together() -> None:
    waiting = [PendingBeats(record(1) + record(2)), PendingBeats(record(3))]
    batch = Batch(waiting, lambda _: (0, 0))
    assert np.array_equal(batch.newest, [0, 1, 2])
    batch.fate[:] = STORED
    list(batch.acknowledge(WORDS))
    assert [one.outcome for one in waiting] == [b"STORED\r\nSTORED", b"STORED"]


@pytest.mark.parametrize("far", [2**63, 13, 5000, 7, 10, 9, 1])
def test_the_next_beat_is_written_whatever_comes_with_it(far: int) -> None:
    """A number too far ahead, or one from before; of two that may follow the later one."""
    for numbers in itertools.permutations((far, 11, 12)):
        waiting = [PendingBeats(record(1, 5, number)) for number in numbers]
        batch = Batch(waiting, lambda _: (5, 10))
        assert [unpack(one.tobytes()).sequence for one in batch.records[batch.newest]] == [12]


@pytest.mark.parametrize("old", [10, 9, 1])
def test_an_old_beat_keeps_none_out_that_comes_after_a_gap(old: int) -> None:
    for numbers in (old, 40), (40, old):
        batch = Batch([PendingBeats(record(1, 5, number)) for number in numbers], lambda _: (5, 10))
        assert [unpack(one.tobytes()).sequence for one in batch.records[batch.newest]] == [40]


def test_the_last_of_two_runs_counts() -> None:
    newest = NewestFirst()
    for run, sequence in ((1, 9), (2, 1)):
        newest.put(first(7, run, sequence))
    [beat] = newest.pop()
    assert beat.records[16] == 2


def test_everybody_who_waits_is_woken_once() -> None:
    newest, woken = NewestFirst(), []
    for sequence in (2, 1, 3):
        beat = first(7, sequence=sequence)
        beat.wake = lambda sequence=sequence: woken.append(sequence)
        newest.put(beat)
    [beat] = newest.pop()
    beat.acknowledge(b"STORED")
    assert sorted(woken) == [1, 2, 3]


def test_some_are_taken_in_the_order_they_came() -> None:
    newest = NewestFirst()
    for identity in (5, 3, 4):
        newest.put(first(identity))
    assert [beat.identity for beat in newest.pop(2)] == [5, 3]
    assert [beat.identity for beat in newest.pop(2)] == [4]
    assert newest.pop(2) == []


def test_whose_beat_it_is() -> None:
    data = record(2**64 - 5)
    assert len(data) == SIZE
    assert identity_in(data) == 2**64 - 5
    for nonsense in (b"", data[:-1], data + b"x", b"X" + data[1:], data[:2] + b"\3" * 62):
        assert identity_in(nonsense) is None
