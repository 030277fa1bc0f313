"""The database's name leads elsewhere: nobody is judged while agents may beat at the server before."""

from dataclasses import dataclass

import anyio
import pytest

from musterd.errors import ShardUnavailable
from musterd.stores.link import LONGEST_CONNECTED
from musterd_coordinator.sweep.rows.moves import MoveWatch

OLD, NEW = "2026-01-01 00:00:00+00", "2026-02-02 00:00:00+00"


class Link:
    """A `Link` is a session that reaches ``server``; None is gone, and "" hangs."""

    def __init__(self, server: str | None, *, direct: bool = True) -> None:
        self.reached, self.direct, self.renewals = server, direct, 0

    async def server(self) -> tuple[str, bool]:
        """Tell when the server started."""
        if self.reached is None:
            raise ShardUnavailable("db1:5432/fleet", "the connection was lost")
        if not self.reached:
            await anyio.sleep_forever()
        return self.reached, self.direct

    async def renew(self) -> None:
        """Connect anew."""
        self.renewals += 1


@dataclass
class Seats:
    """These are members, of which some have come over."""

    members: int = 3
    come_over: int = 1

    def count(self) -> int:
        """Return all."""
        return self.members

    def present(self) -> int:
        """Return those that have come over."""
        return self.come_over


async def moved(follower: Link, *, direct: bool = True) -> tuple[MoveWatch, Link]:
    """A watch that saw its leader reach the old server, and then the new one."""
    leader = Link(OLD, direct=direct)
    watch = MoveWatch(leader, follower)
    await watch.check()
    assert watch.reason(Seats()) == ""
    leader.reached = NEW
    await watch.check()
    return watch, leader


async def test_while_the_server_before_lives_nobody_is_judged_until_all_came_over() -> None:
    watch, _ = await moved(Link(OLD))
    assert watch.reason(Seats()).endswith("agents come over within 300 s")
    await anyio.sleep(100.0)
    assert watch.reason(Seats(members=0, come_over=0)).endswith("within 200 s")
    assert watch.reason(Seats(come_over=3)) == ""
    assert watch.reason(Seats()) == ""


async def test_nor_longer_than_connections_last() -> None:
    watch, _ = await moved(Link(OLD))
    await anyio.sleep(LONGEST_CONNECTED)
    assert watch.reason(Seats()) == ""


@pytest.mark.parametrize("server", [None, "", NEW])
async def test_a_server_that_is_gone_or_hangs_or_was_left_is_not_waited_for(
    server: str | None,
) -> None:
    watch, _ = await moved(Link(server))
    assert watch.reason(Seats()) == ""


async def test_behind_a_pooler_a_move_is_the_pooler_s_affair() -> None:
    watch, _ = await moved(Link(OLD), direct=False)
    assert watch.reason(Seats()) == ""


async def test_the_link_that_follows_is_renewed_once_for_each_look() -> None:
    follower = Link(OLD)
    watch, _ = await moved(follower)
    await watch.follow()
    await watch.follow()
    assert follower.renewals == 1
    await watch.check()
    await watch.follow()
    assert follower.renewals == 2
