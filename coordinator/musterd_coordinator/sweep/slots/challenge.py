"""The module is where a store of keys and values keeps its challenge: one key, by ``cas``."""

from musterd.stores.slots.protocol import Keys, KeyValue


class KeyedChallenge:
    """A `KeyedChallenge` is a :class:`~musterd_coordinator.sweep.challenge.ChallengeValue`."""

    def __init__(self, shard: KeyValue, keys: Keys) -> None:
        self._shard = shard
        self._key = keys.challenge

    async def read(self) -> tuple[bytes | None, int]:
        """Return the value of the key, and its token."""
        return await self._shard.gets(self._key)

    async def swap(self, value: bytes, old: bytes | None, token: int) -> bool:
        """Store ``value`` unless another was stored since."""
        if old is None:
            return await self._shard.add(self._key, value)
        return await self._shard.cas(self._key, value, token)
