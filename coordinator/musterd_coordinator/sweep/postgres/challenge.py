"""The module is where a database keeps a namespace's challenge: one row of ``musterd.challenge``."""

from musterd.stores.postgres.session import PgSession

_READ = "SELECT value FROM musterd.challenge WHERE namespace = $1"
_BEGIN = "INSERT INTO musterd.challenge (namespace, value) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_SWAP = "UPDATE musterd.challenge SET value = $2 WHERE namespace = $1 AND value = $3"


class RowChallenge:
    """A `RowChallenge` is a :class:`~musterd_coordinator.sweep.challenge.ChallengeValue`."""

    def __init__(self, link: PgSession, namespace: str) -> None:
        self._link = link
        self._namespace = namespace

    async def read(self) -> tuple[bytes | None, int]:
        """Return the value of the row; there is no token."""
        async with self._link.transaction() as connection:
            return await connection.fetchval(_READ, self._namespace), 0

    async def swap(self, value: bytes, old: bytes | None, token: int) -> bool:
        """Store ``value`` if the row still has the ``old`` one, or there is none."""
        del token
        async with self._link.transaction() as connection:
            if old is None:
                done = await connection.execute(_BEGIN, self._namespace, value)
                return bool(done == "INSERT 0 1")
            done = await connection.execute(_SWAP, self._namespace, value, old)
        return bool(done == "UPDATE 1")
