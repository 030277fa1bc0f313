"""The module says to PostgreSQL what is due of many members: see :mod:`musterd.stores.crowd`."""

from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from musterd.stores.crowd import BeatRow, Newcomer, Seated
from musterd.stores.postgres.session import PgSession, Session


class Statements(NamedTuple):
    """``Statements`` are what an agent says to the database, and the name of the one it prepares.

    ``beat`` returns one value, which is false or None where it found no row; ``announce`` a row that
    begins with the slot.
    """

    beat: str
    announce: str
    prepared: str


UNSIGNED = Statements(
    "SELECT musterd.beat($1, $2, $3)",
    "SELECT musterd.announce($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    "musterd_beat",
)
SIGNED = Statements(
    "SELECT musterd.beat_signed($1, $2, $3, $4, $5, $6)",
    "SELECT * FROM musterd.announce_signed($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    "musterd_beat_signed",
)

Update = Callable[[Session, BeatRow, float], Awaitable[Any]]


class ManyStatements:
    """``ManyStatements`` says ``statements`` for many members over one link, in one round trip.

    ``update`` writes one beat where nothing can be prepared, as behind a pooler.
    """

    def __init__(self, link: PgSession, statements: Statements, update: Update) -> None:
        self._link = link
        self._statements = statements
        self._update = update

    async def store(self, rows: Sequence[BeatRow]) -> Sequence[Any]:
        """Store the beats; return what the statement does for each."""
        async with self._link.session() as session:
            if not session.direct:
                limit = self._link.timeout
                return [await self._update(session, row, limit) for row in rows]
            if session.many is None:
                beat, _, prepared = self._statements
                session.many = await session.connection.prepare(beat, name=f"{prepared}s")
            # Of slots: two processes cannot wait for each other in a ring.
            in_order = sorted(rows, key=itemgetter(0))
            done = await session.many.fetchmany(in_order)
        answers = {row[1]: answer for row, (answer,) in zip(in_order, done, strict=True)}
        return [answers[row[1]] for row in rows]

    async def seat(self, rows: Sequence[Newcomer]) -> Sequence[Seated]:
        """Announce the members; return the slot of each, and what comes with it."""
        async with self._link.session() as session:
            if not session.direct:
                return [await announce(session, self._statements, row) for row in rows]
            statement = await session.connection.prepare(self._statements.announce)
            in_order = sorted(rows, key=itemgetter(0))  # again, against a ring
            seats = await statement.fetchmany(in_order)
        seat_of = {row[0]: tuple(seat) for row, seat in zip(in_order, seats, strict=True)}
        return [seat_of[row[0]] for row in rows]


async def announce(session: Session, statements: Statements, row: Newcomer) -> Seated:
    """Return the slot that the database gives this member, and what comes with it."""
    if session.direct:
        return tuple(await _one_row(session, statements.announce, row))
    async with session.connection.transaction(isolation="read_committed"):  # whatever its default
        return tuple(await _one_row(session, statements.announce, row))


async def _one_row(session: Session, statement: str, arguments: Sequence[Any]) -> Any:
    return await session.connection.fetchrow(statement, *arguments)
