"""What is due of many members goes to a database together, and what one is to blame for hits that one."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from musterd.errors import ShardRefused, StoreError
from musterd.stores.crowd import SharedStatements
from musterd.stores.link import NotWritable, RefusesAll

pytestmark = pytest.mark.anyio

MANY = 100


class Refusing:
    """Stores beats but those of ``bad`` slots; each of ``calls`` is the number of rows of one."""

    def __init__(self, refusal: type[StoreError], bad: Sequence[int]) -> None:
        self.refusal, self.bad = refusal, bad
        self.calls: list[int] = []

    async def store(self, rows: Sequence[Any]) -> Sequence[Any]:
        self.calls.append(len(rows))
        await anyio.lowlevel.checkpoint()
        if any(row[0] in self.bad for row in rows):
            raise self.refusal("db1:3306/fleet", "no")
        return [True for _ in rows]


async def refused_of(database: Refusing) -> list[int]:
    """The slots whose beats were refused, of many that were due at the same time."""
    crowd = SharedStatements("db1:3306/fleet", database.store, database.store)
    refused: list[int] = []

    async def beat(slot: int) -> None:
        try:
            await crowd.beat((slot, slot, b""))
        except database.refusal:
            refused.append(slot)

    async with anyio.create_task_group() as group:
        for slot in range(MANY):
            group.start_soon(beat, slot)
    return sorted(refused)


async def test_the_one_that_is_to_blame_is_found_and_the_others_go_through() -> None:
    database = Refusing(ShardRefused, [17, 61])
    assert await refused_of(database) == [17, 61]


@pytest.mark.parametrize("refusal", [RefusesAll, NotWritable])
async def test_what_no_row_is_to_blame_for_is_tried_once(refusal: type[StoreError]) -> None:
    """As where the server is read-only: each try more would be a connection more."""
    database = Refusing(refusal, range(MANY))
    assert await refused_of(database) == list(range(MANY))
    assert database.calls == [MANY]
