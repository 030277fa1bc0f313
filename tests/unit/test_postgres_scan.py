"""A COPY of beats is read to its end, or refused."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from numpy.typing import NDArray

from musterd.beat import Beat, pack
from musterd.errors import ShardCorrupt
from musterd.stores.postgres.session import Connection, PgSession
from musterd.stores.postgres.url import parse_url
from musterd_coordinator.sweep.postgres.scan import Scan
from tests.unit.postgres_rows import copy_of

LINK = PgSession(parse_url("postgresql://nobody@db/none"), 1.0)


class Saying(Connection):
    """A connection whose every COPY says the same."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def copy_from_query(  # type: ignore[override]
        self, query: str, *, output: Callable[[bytes], Awaitable[None]], **options: object
    ) -> str:
        await output(self._said)
        return "COPY"

    def __del__(self) -> None:
        """It was never connected."""


async def read(said: bytes) -> list[int]:
    """The slots that a scan of a COPY that says this brings."""
    slots: list[int] = []

    def take(rows: NDArray[Any]) -> None:
        slots.extend(rows["slot"].tolist())

    await Scan(LINK, LINK, 7).read(Saying(said), 1, take)
    return slots


async def test_a_copy_that_did_not_end_as_one_is_refused() -> None:
    whole = copy_of([(1, pack(Beat(101, 9, 1, 1500)))])
    assert await read(whole) == [1]
    for said in (whole[:-1], whole + b"x"):
        with pytest.raises(ShardCorrupt, match="does not end as one"):
            await read(said)
