"""What stands in a store, as a coordinator reads it."""

from musterd.beat import Beat, Status
from musterd.stores import open_store
from musterd_coordinator.sweep.base import open_reader


async def beats_in(url: str, shard: int = 0) -> list[Beat]:
    """Every beat on a shard, as a coordinator reads them."""
    reader = open_reader(
        open_store(url, namespace="musterd", timeout=5.0, beat_ttl=600.0), shard, "c1"
    )
    try:
        await reader.roster()
        beats = (await reader.sweep()).beats
    finally:
        await reader.aclose()
    rows = zip(*(column.tolist() for column in beats), strict=True)
    return [
        Beat(member, incarnation, sequence, interval, Status(status), sent, missed, lag)
        for _, member, incarnation, sequence, interval, status, sent, missed, lag, *_ in rows
    ]
