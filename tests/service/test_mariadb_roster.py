"""Which slots of MariaDB a coordinator believes in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from musterd.beat import member_id
from musterd.stores import open_store
from musterd.stores.rowwriter import signed
from musterd.testing.mariadb import MariaDatabase
from musterd_coordinator.sweep.base import ShardReader, open_reader
from musterd_coordinator.sweep.mysql.roster import ROOMY
from tests.service.postgres_fleet import NAMESPACE, TIMEOUT

FACTS = "'fleet', 'compute', '{}', '', '', '{{}}', UUID_SHORT()"


def sit(database: MariaDatabase, *slots: int) -> None:
    """Put members into these slots."""
    rows = ",".join(
        f"({slot}, {signed(member_id(NAMESPACE, 'compute', f'h{slot}'))}, {FACTS.format(f'h{slot}')})"
        for slot in slots
    )
    columns = "slot, member_id, namespace, `group`, name, zone, owner, metadata, version"
    database.execute(f"INSERT INTO musterd_member ({columns}) VALUES {rows}")


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[ShardReader]:
    reader = open_reader(
        open_store(url, namespace=NAMESPACE, timeout=TIMEOUT, beat_ttl=600), 0, "c"
    )
    try:
        yield reader
    finally:
        await reader.aclose()


async def slots_at(url: str) -> list[int]:
    """The slots in which a coordinator sees members."""
    async with reading(url) as reader:
        slots: list[int] = []
        while True:
            roster = await reader.roster()
            slots += [slot for slot, _ in roster.seated]
            if not roster.more:
                return slots


async def test_nodes_of_a_cluster_that_each_give_every_nth_slot(
    maria: MariaDatabase, maria_url: str
) -> None:
    """As where all announce themselves at one of nine nodes."""
    count, nodes = 8000, 9
    assert count * nodes > ROOMY
    slots = [number * nodes for number in range(1, count + 1)]
    sit(maria, *slots)
    assert sorted(await slots_at(maria_url)) == slots


async def test_a_slot_far_beyond_is_left_alone_and_said(
    maria: MariaDatabase, maria_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sit(maria, 1, 2, 9_000_000)
    assert sorted(await slots_at(maria_url)) == [1, 2]
    said = capsys.readouterr().out
    assert "members refused" in said
    assert f"slots are below {ROOMY}" in said
