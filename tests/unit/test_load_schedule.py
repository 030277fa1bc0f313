"""The swarm's schedule is that of real agents, and its columns are what agents would send."""

import numpy as np
from benchmarks.load.fleet import make_fleet, name_of, placed, seated
from benchmarks.load.schedule import due_between, fractions
from benchmarks.texts import decimal, hexadecimal
from hypothesis import given
from hypothesis import strategies as st

from musterd.beat import Status, member_id, unpack
from musterd.stores.base import place
from musterd_agent.beating import next_tick, phase_of


@given(number=st.integers(0, 2**64 - 1))
def test_a_member_has_the_phase_of_its_agent(number: int) -> None:
    assert fractions(np.array([number], np.uint64))[0] == phase_of(number, 1.0)


@given(
    shares=st.lists(st.integers(0, 2**10 - 1), min_size=1, max_size=20),
    start=st.integers(0, 10_000),
    steps=st.lists(st.integers(1, 2**9), min_size=1, max_size=20),
)
def test_members_are_due_when_their_agents_are(
    shares: list[int], start: int, steps: list[int]
) -> None:
    """In whole ticks of 1/1024 of an interval, so that nothing is rounded."""
    fraction, interval = np.sort(np.array(shares)) / 2**10, 2.0
    since = start * interval / 2**10
    for step in steps:
        now = since + step * interval / 2**10
        due = due_between(fraction, since, now, interval)
        wanted = {
            row: next_tick(since, share * interval, interval)
            for row, share in enumerate(fraction.tolist())
            if next_tick(since, share * interval, interval) <= now
        }
        assert dict(zip(due.rows.tolist(), (now - due.late).tolist(), strict=True)) == wanted
        assert due.skipped == 0
        since = now


def test_only_the_last_of_the_beats_that_were_slept_through_is_made() -> None:
    fraction = np.array([0.0, 0.25, 0.5])
    due = due_between(fraction, 0.1, 3.3, 1.0)
    assert sorted(due.rows.tolist()) == [0, 1, 2]
    assert due.skipped == 3 + 4 + 3 - 3  # at 1 to 3, at 0.25 to 3.25, at 0.5 to 2.5; but three
    assert (due.late < 1.0).all()


def test_a_record_is_what_the_agent_of_its_member_sends() -> None:
    fleet = make_fleet(7, 50, "fleet", seed=1)
    members = seated(fleet, 100, 2.5, wall=1000.5)
    assert sorted(members.slots.tolist()) == list(range(100, 150))
    for row in range(50):
        beat = unpack(members.records[row].tobytes())
        number = int(fleet.number[row])
        assert members.slots[row] == 100 + number - 7
        assert beat.member_id == member_id("fleet", "load", name_of(number))
        assert (beat.sequence, beat.interval_ms, beat.sent_ms) == (1, 2500, 1_000_500)
        assert beat.status is Status.OK
        assert fleet.fraction[row] == phase_of(beat.member_id ^ beat.incarnation, 1.0)
    assert (np.diff(fleet.fraction) >= 0).all()


@given(
    ids=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20),
    shards=st.integers(1, 5),
    replicas=st.integers(1, 5),
)
def test_members_beat_to_the_shards_that_everybody_expects(
    ids: list[int], shards: int, replicas: int
) -> None:
    names, replicas = tuple(f"mc{shard}:11211" for shard in range(shards)), min(shards, replicas)
    masks = placed(np.array(ids, np.uint64), names, replicas)
    for row, identity in enumerate(ids):
        here = {shard for shard in range(shards) if masks[shard][row]}
        assert here == set(place(identity, names, replicas))


@given(values=st.lists(st.integers(0, 10**8 - 1), min_size=1, max_size=9))
def test_numbers_are_written_with_a_fixed_width(values: list[int]) -> None:
    array = np.array(values, np.int64)
    assert [row.tobytes() for row in decimal(array, 8)] == [b"%08d" % value for value in values]
    assert [row.tobytes() for row in hexadecimal(array, 8)] == [b"%08x" % value for value in values]
