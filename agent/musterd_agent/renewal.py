"""When an agent connects anew although nothing broke: so it follows a name that moved.

A coordinator's canary connects anew every few sweeps, and where the store's name leads elsewhere by
then, it proves the new way only. An agent whose old server lives would go on beating there, and be
called silent. So it connects anew itself, often enough that a beat gets the new way in time.
"""

from collections.abc import Iterable
from random import Random

import anyio
import structlog

from musterd.settings import Settings
from musterd_agent.link import failure_of
from musterd_agent.shard import Shard, say

log = structlog.get_logger(__name__)

LONGEST = 60.0


def longest_pause(interval: float, service_down_time: float) -> float:
    """Seconds from one renewal to the next at most; half as many at least.

    So that, of a ``service_down_time``, two intervals are left for the first beats on the new way;
    but not more than two renewals an interval.
    """
    return max(interval / 2, min(LONGEST, service_down_time) - 2 * interval)


async def keep_fresh(shards: Iterable[Shard], settings: Settings, rng: Random) -> None:
    """Connect to each shard anew time and again, at random, until cancelled."""
    interval = min(member.interval for member in settings.members)
    longest = longest_pause(interval, settings.service_down_time)

    async def keep(shard: Shard) -> None:
        while True:
            await anyio.sleep(rng.uniform(longest / 2, longest))
            await renew(shard, settings.effective_push_timeout)

    async with anyio.create_task_group() as tasks:
        for shard in shards:
            tasks.start_soon(keep, shard)


async def renew(shard: Shard, within: float) -> None:
    """Connect anew in that many seconds, or go on as before: whether beats get through is no matter
    of this."""

    async def attempt() -> None:
        address = await shard.writer.renew()
        if address:
            say(log.info, "shard moved", shard=shard.name, address=address)

    await failure_of(attempt(), within)
