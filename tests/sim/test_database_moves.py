"""The database's name leads elsewhere: nobody is judged while agents may beat at the server before."""

import anyio
import numpy as np
import pytest

from musterd.beat import Beat, pack
from musterd.errors import ShardUnavailable
from musterd.model import Member
from musterd.stores.link import LONGEST_CONNECTED
from musterd_coordinator.sweep.columns import RECORD
from musterd_coordinator.sweep.rows.moves import MoveWatch
from musterd_coordinator.sweep.rows.slotmap import RowSlots, Seat

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


def seats(*sequences: int) -> RowSlots:
    """Members, with the sequences of the beats that stand there."""
    made = RowSlots()
    members = [Member("compute", f"h{slot}") for slot in range(len(sequences))]
    made.update([Seat(slot, 1, 100 + slot, member) for slot, member in enumerate(members)])
    return beaten(made, *sequences)


def beaten(made: RowSlots, *sequences: int) -> RowSlots:
    """The same with other beats."""
    packed = b"".join(pack(Beat(100 + slot, 9, n, 1000)) for slot, n in enumerate(sequences))
    made.forget_beats()
    made.believe(np.arange(len(sequences)), np.frombuffer(packed, RECORD))
    return made


ALL = seats(7, 7, 7)


async def moved(follower: Link, *, direct: bool = True) -> tuple[MoveWatch, Link]:
    """A watch that saw its leader reach the old server, and then the new one."""
    leader = Link(OLD, direct=direct)
    watch = MoveWatch(leader, follower)
    await watch.check()
    assert watch.reason(ALL) == ""
    leader.reached = NEW
    await watch.check()
    return watch, leader


async def test_while_the_server_before_lives_nobody_is_judged_until_all_came_over() -> None:
    watch, _ = await moved(Link(OLD))
    members = seats(7, 7, 7)
    assert watch.reason(members).endswith("agents come over within 300 s")
    await anyio.sleep(100.0)
    assert watch.reason(beaten(members, 8, 7, 7)).endswith("within 200 s")
    assert watch.reason(beaten(members, 9, 8, 8)) == ""
    assert watch.reason(beaten(members, 9, 8, 8)) == ""


async def test_nobody_came_over_whose_row_the_server_before_brought() -> None:
    """A replica has all rows when it takes over."""
    watch, _ = await moved(Link(OLD))
    members = seats(7, 7, 7)
    for _ in range(3):
        assert watch.reason(members).endswith("within 300 s")
    assert watch.reason(RowSlots()).endswith("within 300 s")


async def test_another_move_begins_anew() -> None:
    follower = Link(OLD)
    watch, leader = await moved(follower)
    members = seats(7, 7)
    assert watch.reason(members)
    follower.reached, leader.reached = NEW, OLD
    await watch.check()
    assert watch.reason(beaten(members, 8, 8))  # stood there first
    assert not watch.reason(beaten(members, 9, 9))


async def test_nor_longer_than_connections_last() -> None:
    watch, _ = await moved(Link(OLD))
    await anyio.sleep(LONGEST_CONNECTED)
    assert watch.reason(ALL) == ""


@pytest.mark.parametrize("server", [None, "", NEW])
async def test_a_server_that_is_gone_or_hangs_or_was_left_is_not_waited_for(
    server: str | None,
) -> None:
    watch, _ = await moved(Link(server))
    assert watch.reason(ALL) == ""


async def test_behind_a_pooler_a_move_is_the_pooler_s_affair() -> None:
    watch, _ = await moved(Link(OLD), direct=False)
    assert watch.reason(ALL) == ""


async def test_the_link_that_follows_is_renewed_once_for_each_look() -> None:
    follower = Link(OLD)
    watch, _ = await moved(follower)
    await watch.follow()
    await watch.follow()
    assert follower.renewals == 1
    await watch.check()
    await watch.follow()
    assert follower.renewals == 2
