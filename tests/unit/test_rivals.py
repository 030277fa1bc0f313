"""Of several hosts of a database's URL one server takes beats, or nobody is judged."""

import asyncio

import pytest

from musterd.errors import ShardUnavailable
from musterd_coordinator.sweep.rows.rivals import EVERY, Rivals

pytestmark = pytest.mark.anyio


class Host:
    """A host of a ``server``; "": it takes no beats."""

    def __init__(self, name: str, server: str) -> None:
        self.name, self.reached = name, server
        self.connected = self.closed = False

    async def server(self) -> tuple[str, bool]:
        await asyncio.sleep(0)
        if not self.reached:
            raise ShardUnavailable(self.name, "read-only")
        self.connected = True
        return self.reached, True

    def drop(self) -> None:
        self.connected = False

    def close(self) -> None:
        self.closed = True


async def looked(rivals: Rivals, sweeps: int = EVERY + 1) -> str:
    """What is said after so many sweeps."""
    for _ in range(sweeps):
        await rivals.follow()
        for _ in range(5):
            await asyncio.sleep(0)
    return rivals.reason()


async def test_two_servers_that_take_beats_are_rivals_until_one_takes_none() -> None:
    old, new = Host("db1:3306", ""), Host("db2:3306", "b")
    rivals = Rivals([old, new])
    assert await looked(rivals) == ""
    old.reached = "a"
    reason = await looked(rivals)
    assert reason.startswith("db1:3306 and db2:3306 take beats, each for itself")
    assert not old.connected
    assert not new.connected
    new.reached = ""
    assert await looked(rivals) == ""
    rivals.close()
    assert old.closed
    assert new.closed


async def test_nodes_of_one_cluster_are_one_server() -> None:
    rivals = Rivals([Host(f"db{number}:3306", "cluster") for number in range(3)])
    assert await looked(rivals) == ""
    rivals.close()


async def test_the_first_look_is_at_once_and_one_host_is_not_looked_at() -> None:
    hosts = [Host("db1:3306", "a"), Host("db2:3306", "b")]
    rivals = Rivals(hosts)
    assert await looked(rivals, sweeps=2)
    rivals.close()
    alone = Rivals()
    assert await looked(alone) == ""
    alone.close()


async def test_a_host_that_hangs_holds_up_nothing() -> None:
    class Hanging(Host):
        async def server(self) -> tuple[str, bool]:
            await asyncio.Event().wait()
            raise AssertionError

    rivals = Rivals([Hanging("db1:3306", "a"), Host("db2:3306", "b")])
    assert await looked(rivals, 3 * EVERY) == ""
    rivals.close()
