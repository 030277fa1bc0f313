"""How often an agent connects anew, and that this costs no beat, in simulated time."""

from itertools import pairwise
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ShardUnavailable
from musterd_agent.renewal import LONGEST, Renewal, longest_pause
from tests.agent_support import RecordingShard, agent_of, running, settings_of


@given(st.floats(0.1, 60), st.floats(2.5, 100), st.integers(0, 9))
def test_a_beat_gets_the_new_way_within_a_down_time(
    interval: float, intervals: float, seed: int
) -> None:
    # The name moves just after a renewal: until the next one, and one beat more, nothing is heard.
    service_down_time = interval * intervals
    renewal = Renewal(interval, service_down_time, Random(seed))
    beats = [number * interval for number in range(300)]
    renewed = [at for at in beats if renewal.is_due(at)]
    assert all(later - at + interval < service_down_time for at, later in pairwise(renewed))
    assert len(renewed) >= 2 or longest_pause(interval, service_down_time) > 290 * interval
    pauses = [later - at for at, later in pairwise(renewed)]
    assert max(pauses, default=0) <= max(LONGEST, 1.001 * interval)


@given(st.floats(2.5, 100), st.integers(1, 40), st.integers(0, 9))
def test_members_that_share_a_shard_connect_anew_no_oftener_than_one(
    intervals: float, members: int, seed: int
) -> None:
    renewal = Renewal(1.0, intervals, Random(seed))
    dice = Random(seed)
    phases = [dice.random() for _ in range(members)]
    beats = sorted(number + phase for number in range(100) for phase in phases)
    pauses = [b - a for a, b in pairwise([at for at in beats if renewal.is_due(at)])]
    assert min(pauses, default=1.0) >= 0.5
    assert max(pauses, default=0.0) + 1.0 < intervals


async def test_it_connects_anew_at_random_and_beats_all_the_while() -> None:
    shard = RecordingShard()
    settings = settings_of(*(f"h{number}" for number in range(5)))
    async with running(agent_of(shard, settings=settings, seed=1)):
        await anyio.sleep(1000)
    pauses = [after - before for before, after in pairwise(shard.renewed)]
    assert all(15 <= pause <= 40 for pause in pauses)
    assert max(pauses) - min(pauses) > 5
    assert len(shard.taken) >= 500


@pytest.mark.parametrize("error", [ShardUnavailable("x", "refused"), RuntimeError("a driver's")])
async def test_a_renewal_that_fails_or_hangs_costs_nothing(error: Exception) -> None:
    shard = RecordingShard()
    dice = Random(1)

    async def trouble(call: str) -> None:
        if call == "renew" and dice.random() < 0.5:
            await anyio.sleep_forever()
        if call == "renew":
            raise error

    shard.trouble = trouble
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(1000)
    assert len(shard.taken) >= 100
    assert agent.loops[0].counters.failed == 0
