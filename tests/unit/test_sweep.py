"""One sweep: what proves it, and what its canary has to go through."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio.testing

from musterd.beat import Beat
from musterd.errors import ShardRefused
from musterd.model import Member
from musterd.stores import open_store
from musterd.stores.table.store import forget_table
from musterd_coordinator.sweep.base import BeatBatch, Roster, ShardReader, open_reader
from musterd_coordinator.sweep.loop import RENEW_EVERY, Sweeper

STORE = "memory:test-sweep"


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class FullShard:
    """A shard in memory that has room for those who are connected, and while ``full`` no other."""

    def __init__(self, reader: ShardReader) -> None:
        self.name = reader.name
        self.full = False
        self.renewals = 0
        self._reader = reader

    async def renew(self) -> None:
        self.renewals += 1
        if self.full:
            raise ShardRefused(self.name, "too many clients")
        await self._reader.renew()

    async def write_canary(self, beat: Beat) -> bool:
        return await self._reader.write_canary(beat)

    async def roster(self) -> Roster:
        return await self._reader.roster()

    async def sweep(self) -> BeatBatch:
        return await self._reader.sweep()

    async def retire(self, member: Member) -> None:
        await self._reader.retire(member)

    async def aclose(self) -> None:
        await self._reader.aclose()


@pytest.fixture
async def shard() -> AsyncIterator[FullShard]:
    store = open_store(STORE, namespace="test", timeout=1.0, beat_ttl=60.0)
    shard = FullShard(open_reader(store, 0, "c1"))
    yield shard
    await shard.aclose()
    forget_table("test-sweep")


async def test_connections_are_renewed_now_and_then(shard: FullShard) -> None:
    proven, _ = await swept(sweeper_of(shard), 3 * RENEW_EVERY)
    assert all(proven)
    assert shard.renewals == 3


async def test_a_shard_that_refuses_newcomers_proves_nothing_until_it_takes_one(
    shard: FullShard,
) -> None:
    sweeper = sweeper_of(shard)
    await swept(sweeper, RENEW_EVERY - 1)
    shard.full = True
    proven, reasons = await swept(sweeper, 2 * RENEW_EVERY)
    assert not any(proven)
    assert reasons == {"too many clients"}
    shard.full = False
    before = shard.renewals
    proven, _ = await swept(sweeper, 2)
    assert all(proven)
    assert shard.renewals == before + 1


def sweeper_of(shard: FullShard) -> Sweeper:
    return Sweeper(
        shard, 1, period=1.0, timeout=2.0, canary_timeout=lambda: 1.0, wall=lambda: 1_700_000_000.0
    )


async def swept(sweeper: Sweeper, times: int) -> tuple[list[bool], set[str]]:
    """Sweep so often: whether each was proven, and all that was said."""
    outcomes = [await sweeper.once() for _ in range(times)]
    return [outcome.proven for outcome in outcomes], {outcome.reason for outcome in outcomes}
