"""One sweep of a database, as tests of its moves make it."""

from musterd_coordinator.sweep.base import BeatBatch, ShardReader
from tests.service.postgres_fleet import canary


async def swept(reader: ShardReader, sequence: int) -> BeatBatch:
    """Write the canary, and read who is there and all beats. Raises StoreError."""
    await reader.write_canary(canary(sequence))
    await reader.roster()
    return await reader.sweep()


async def verdict_of_one_of(reader: ShardReader, sequences: range, *, nothing: bool = False) -> str:
    """Why sweeps prove nothing, as soon as one does not; or with ``nothing`` one that does."""
    for sequence in sequences:
        reason = (await swept(reader, sequence)).reason
        if (reason == "") is nothing:
            return reason
    raise AssertionError(f"the last of {len(sequences)} sweeps said {reason!r}")
