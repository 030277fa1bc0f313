"""A coordinator that cannot know yet says so, and why."""

from collections.abc import Sequence

from musterd.errors import NotReady
from musterd.status import ShardStatus
from musterd_coordinator.service.contract import CoordinatorApi


def not_ready(desk: CoordinatorApi, why: str = "") -> NotReady:
    """Return the error that tells ``why``: by itself which shards do not answer, and what they say."""
    return NotReady(f"not ready: {why or _why(desk.shard_statuses())}")


def _why(shards: Sequence[ShardStatus]) -> str:
    deaf = [f"{shard.shard}: {shard.reason}" for shard in shards if not shard.listening]
    if deaf:
        return f"not listening to {'; '.join(deaf)}"
    return "it has not listened long enough to answer yet"
