"""An errand is run once for all who wait, and ended by its owner alone."""

import asyncio

import pytest

from musterd.stores.errand import Errand


async def test_who_waits_is_told_that_it_was_given_up() -> None:
    begun = asyncio.Event()

    async def hang() -> int:
        begun.set()
        await asyncio.Event().wait()
        return 1

    errand = Errand(hang)
    waiting = asyncio.ensure_future(errand.outcome())
    await begun.wait()
    assert errand.give_up() is None
    with pytest.raises(ConnectionAbortedError, match="given up by this process"):
        await waiting
    assert not errand.is_under_way


async def test_what_was_made_and_nobody_took_is_handed_over() -> None:
    made = asyncio.Event()

    async def make() -> int:
        made.set()
        return 7

    errand = Errand(make)
    waiting = asyncio.ensure_future(errand.outcome())
    await made.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert errand.is_under_way
    assert errand.give_up() == 7
    assert errand.give_up() is None


async def test_of_two_who_wait_both_get_it_and_the_next_begins_anew() -> None:
    results = iter(range(9))

    async def make() -> int:
        return next(results)

    errand = Errand(make)
    assert tuple(await asyncio.gather(errand.outcome(), errand.outcome())) == (0, 0)
    assert await errand.outcome() == 1
