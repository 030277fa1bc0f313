"""When a door may open: with verdicts of a coordinator, or by what it knew a moment ago."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from musterd.client.choice import Address
from musterd.client.view import Event
from musterd.errors import CoordinatorUnreachable
from musterd.model import State, Verdict
from musterd.settings.settings import Settings
from musterd_coordinator.nova.following import FRESH, PATIENCE, Following
from musterd_coordinator.nova.lastview import LastView
from musterd_coordinator.nova.values import key_of

UP = Verdict(up=True, schedulable=True, down=False, state=State.UP)
H1 = key_of("compute", "h1")
COORDINATOR = Address("http", "c1", 8420, "")
SNAPSHOT = b"""{"version": 1, "listening": true, "staleness": 0.1, "more": false, "groups":
 {"compute": {"h1": {"up": true, "schedulable": true, "down": false, "state": "up"}}}}"""
NOBODY = b'{"version": 1, "listening": true, "staleness": 0.1, "more": false, "groups": {}}'


def told(following: Following, data: bytes = SNAPSHOT) -> None:
    """A coordinator tells of now, as the follower hears it."""
    following.follower.apply(COORDINATOR, Event("snapshot", "run-1", data))


@asynccontextmanager
async def opening(following: Following) -> AsyncIterator[list[float]]:
    """When the door may open, in a list."""
    opened: list[float] = []

    async def wait() -> None:
        await following.known()
        opened.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        yield opened
        tasks.cancel_scope.cancel()


async def test_without_anything_known_it_waits_for_ever() -> None:
    following = Following(Settings(), None)
    async with opening(following) as opened:
        await anyio.sleep(10 * PATIENCE)
        told(following, NOBODY)
        await anyio.sleep(1)
        assert opened == []
        told(following)
        await anyio.sleep(1)
        assert opened == [10 * PATIENCE + 1]


@pytest.mark.parametrize("age", [-3.0, 0.0, FRESH])
async def test_by_a_view_of_just_now_it_opens_at_once(age: float) -> None:
    following = Following(Settings(), None)
    following.remember(LastView({H1: UP}, [], age))
    async with opening(following) as opened:
        await anyio.sleep(1)
        assert opened == [0]
        assert following.age == max(0.0, age) + 1


async def test_an_older_view_waits_for_coordinators_and_then_is_better_than_none() -> None:
    following = Following(Settings(), None)
    following.remember(LastView({H1: UP}, [], FRESH + 1))
    async with opening(following) as opened:
        await anyio.sleep(PATIENCE + 1)
        assert opened == [PATIENCE]


async def test_an_older_view_makes_room_for_what_a_coordinator_tells() -> None:
    following = Following(Settings(), None)
    following.remember(LastView({key_of("compute", "gone"): UP}, [], FRESH + 1))
    async with opening(following) as opened:
        await anyio.sleep(1)
        told(following)
        await anyio.sleep(1)
        assert opened == [1]
        assert set(following.verdicts) == {H1}


async def test_it_says_whom_it_follows_and_why_nobody() -> None:
    following = Following(Settings(), None)
    assert following.origin == "no coordinator: none is followed yet"
    told(following)
    assert following.origin == "follows http://c1:8420"
    told(following, SNAPSHOT.replace(b'"listening": true', b'"listening": false'))
    assert following.origin == "follows http://c1:8420, which does not hear its store"
    following.on_disconnect(COORDINATOR, CoordinatorUnreachable("connection refused"))
    assert following.origin == "no coordinator: http://c1:8420: connection refused"
    assert set(following.verdicts) == {H1}
