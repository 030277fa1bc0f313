"""How often an agent connects anew, and that this costs no beat, in simulated time."""

from itertools import pairwise
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.errors import ShardUnavailable
from musterd_agent.renewal import LONGEST, longest_pause
from tests.agent_support import RecordingShard, agent_of, running, settings_of


@given(st.floats(0.1, 60), st.floats(2.5, 100))
def test_a_beat_gets_the_new_way_within_a_down_time(interval: float, intervals: float) -> None:
    # The name moves just after a renewal, and the next one comes just after a beat.
    service_down_time = interval * intervals
    longest = longest_pause(interval, service_down_time)
    assert longest + interval < service_down_time
    assert longest <= max(LONGEST, interval / 2)
    assert longest / 2 >= interval / 4


async def test_it_connects_anew_at_random_and_beats_all_the_while() -> None:
    shard = RecordingShard()
    async with running(agent_of(shard, settings=settings_of("h1"), seed=1)):
        await anyio.sleep(1000)
    pauses = [after - before for before, after in pairwise(shard.renewed)]
    assert all(20 <= pause <= 40 for pause in pauses)
    assert max(pauses) - min(pauses) > 5
    assert len(shard.taken) >= 100


@pytest.mark.parametrize("error", [ShardUnavailable("x", "refused"), RuntimeError("a driver's")])
async def test_a_renewal_that_fails_or_hangs_costs_nothing(error: Exception) -> None:
    shard = RecordingShard()

    async def trouble(call: str) -> None:
        if call == "renew" and Random(shard.name + str(len(shard.taken))).random() < 0.5:
            await anyio.sleep_forever()
        if call == "renew":
            raise error

    shard.trouble = trouble
    agent = agent_of(shard, settings=settings_of("h1"))
    async with running(agent):
        await anyio.sleep(1000)
    assert len(shard.taken) >= 100
    assert agent.loops[0].counters.failed == 0
