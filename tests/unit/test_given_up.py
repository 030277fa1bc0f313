"""Sweeps of signed beats that are given up half way: what they read is told of all the same."""

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd_coordinator.steps import whole
from musterd_coordinator.sweep.base import Roster
from musterd_coordinator.sweep.columns import words_in
from musterd_coordinator.sweep.signed.intake import RosterIntake
from tests.unit.sealed import Signer, Slots, host
from tests.unit.signed_world import SignedWorld

ROUNDS = 6
TURNS = 40  # of the event loop: more than a sweep of so few members takes


async def give_up(scope: anyio.CancelScope, turns: int) -> None:
    for _ in range(turns):
        await checkpoint()
    scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("turns", range(TURNS))
async def test_everybody_is_told_of_whenever_sweeps_are_given_up(turns: int) -> None:
    world = SignedWorld()
    await world.round()
    for _ in range(ROUNDS):
        world.sequence += 1
        for member in world.hosts:
            await world.beat(member)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(give_up, tasks.cancel_scope, turns)
            await world.sweep()
        heard, batch = await world.sweep()
    assert heard == world.names == {member.name for member in world.hosts}
    assert not len(batch.spoiled)


def stage() -> tuple[Signer, Slots]:
    agent, slots = Signer(host(1)), Slots()
    slots.announce(0, agent.member)
    slots.sweep()
    slots.records[0] = agent.record(slots.challenge)
    return agent, slots


def test_a_proof_is_told_of_by_the_next_sweep_that_is_finished() -> None:
    agent, slots = stage()
    words = words_in(slots.records[0], 1, 0, 64, 8)
    whole(slots.seals.check(slots.read, words, slots.now))
    assert slots.sweep() == {0}
    assert slots.seated == {0: agent.member}
    slots.sweep()
    assert not slots.told.seated, "once"


def test_a_proof_is_not_told_of_where_its_member_lost_the_slot_meanwhile() -> None:
    agent, slots = stage()
    words = words_in(slots.records[0], 1, 0, 64, 8)
    whole(slots.seals.check(slots.read, words, slots.now))
    other = Signer(host(2))
    slots.announce(0, other.member)
    slots.records[0] = other.record(slots.challenge)
    slots.sweep()
    assert slots.told.seated == [(0, other.member)]
    assert agent.member not in slots.seated.values()


def test_a_record_whose_check_was_given_up_is_checked_again() -> None:
    _, slots = stage()
    steps = slots.seals.check(slots.read, words_in(slots.records[0], 1, 0, 64, 8), slots.now)
    next(steps)
    steps.close()
    assert slots.sweep() == {0}
    assert slots.bad == set()


@pytest.mark.anyio
async def test_a_roster_that_was_read_is_gone_through_by_the_next_call() -> None:
    agent, slots = Signer(host(1)), Slots()
    intake = RosterIntake(slots.seals)
    rosters = [Roster([(0, agent.member)], more=True), Roster([], more=False)]

    async def read() -> Roster:
        return rosters.pop(0)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await intake.roster(read)
    assert scope.cancelled_caught
    assert (await intake.roster(read)).more, "nothing more was read"
    assert not (await intake.roster(read)).more
    slots.sweep()
    slots.records[0] = agent.record(slots.challenge)
    assert slots.sweep() == {0}


@pytest.mark.anyio
async def test_a_fault_of_the_filter_does_not_stay() -> None:
    slots = Slots()
    intake = RosterIntake(slots.seals)

    async def read() -> Roster:
        return Roster([(-5, host(1))])

    for _ in range(2):
        with pytest.raises(IndexError):
            await intake.roster(read)
