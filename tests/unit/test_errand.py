"""An errand is run once for all who wait, and ended by its owner alone."""

import asyncio
from contextlib import suppress

import pytest

from musterd.stores.errand import Errand


def unwanted(made: int) -> None:
    pytest.fail(f"{made} was discarded")


async def test_who_waits_is_told_that_it_was_given_up() -> None:
    begun = asyncio.Event()

    async def hang() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 1

    errand = Errand(hang, unwanted)
    waiting = asyncio.ensure_future(errand.outcome())
    await begun.wait()
    errand.give_up()
    with pytest.raises(ConnectionAbortedError, match="given up by this process"):
        await waiting
    assert not errand.is_under_way


async def test_what_was_made_and_nobody_took_is_discarded_once() -> None:
    made, discarded = asyncio.Event(), list[int]()

    async def make() -> int:
        made.set()
        return 7

    errand = Errand(make, discarded.append)
    waiting = asyncio.ensure_future(errand.outcome())
    await made.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert errand.is_under_way
    errand.give_up()
    errand.give_up()
    assert discarded == [7]


async def test_of_two_who_wait_both_get_it_and_the_next_begins_anew() -> None:
    results = iter(range(9))

    async def make() -> int:
        return next(results)

    errand = Errand(make, unwanted)
    assert tuple(await asyncio.gather(errand.outcome(), errand.outcome())) == (0, 0)
    assert await errand.outcome() == 1


@pytest.mark.parametrize("swallowed", range(1, 4))
async def test_work_that_swallows_cancellations_is_given_up_all_the_same(swallowed: int) -> None:
    """As asyncio's ``wait_for`` does with one that comes in the moment of the answer."""
    begun, ended = asyncio.Event(), list[bool]()

    async def make() -> int:
        begun.set()
        for _ in range(swallowed):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return 7

    errand = Errand(make, unwanted)
    waiting = asyncio.ensure_future(errand.outcome())
    await begun.wait()
    errand.give_up()
    with pytest.raises(ConnectionAbortedError):
        await waiting
    assert ended


async def test_what_is_made_though_it_was_given_up_is_discarded() -> None:
    begun, discarded = asyncio.Event(), list[int]()

    async def make() -> int:
        begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return 7

    errand = Errand(make, discarded.append)
    waiting = asyncio.ensure_future(errand.outcome())
    await begun.wait()
    errand.give_up()
    assert await waiting == 7
    assert discarded == [7]
