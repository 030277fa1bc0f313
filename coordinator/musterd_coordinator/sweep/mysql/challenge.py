"""The module is where a database keeps a namespace's challenge: one row of ``musterd_challenge``."""

from musterd.stores.link import Collision
from musterd.stores.mysql.session import MySqlSession

_READ = "SELECT value FROM musterd_challenge WHERE namespace = ?"
_BEGIN = "INSERT INTO musterd_challenge (namespace, value) VALUES (?, ?)"
_SWAP = "UPDATE musterd_challenge SET value = ? WHERE namespace = ? AND value = ?"


class RowChallenge:
    """A `RowChallenge` is a :class:`~musterd_coordinator.sweep.challenge.ChallengeValue`."""

    def __init__(self, link: MySqlSession, namespace: str) -> None:
        self._link = link
        self._namespace = namespace.encode()

    async def read(self) -> tuple[bytes | None, int]:
        """Return the value of the row; there is no token."""
        async with self._link.session() as session:
            rows = (await session.execute(_READ, (self._namespace,))).rows
        return (bytes(rows[0][0]) if rows else None), 0

    async def swap(self, value: bytes, old: bytes | None, token: int) -> bool:
        """Store ``value`` if the row still has the ``old`` one, or there is none."""
        del token
        try:
            async with self._link.session() as session:
                if old is None:
                    await session.once(_BEGIN, (self._namespace, value))
                    return True
                done = await session.once(_SWAP, (value, self._namespace, old))
                return bool(done.affected_rows)
        except Collision:  # another coordinator was first
            return False
