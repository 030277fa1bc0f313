"""A coordinator's nonces: which records are fresh, and what it writes into the shard's value."""

from collections.abc import Iterator

import pytest

from musterd.keys import challenge_digest
from musterd_coordinator.sweep.challenge import (
    ENTRY,
    MOST_ENTRIES,
    NONCE,
    NONCE_LIFE,
    REMEMBERED,
    Challenge,
    keep,
)

DOWN_TIME = 4.0
LIFE = NONCE_LIFE * DOWN_TIME


def drawing() -> Iterator[bytes]:
    """Nonces that a test can tell apart."""
    number = 0
    while True:
        number += 1
        yield number.to_bytes(NONCE, "little")


def challenge(name: str = "c1") -> Challenge:
    nonces = drawing()
    return Challenge(
        name, lambda: DOWN_TIME, lambda size: name.encode().rjust(8) + next(nonces)[:4]
    )


class Value:
    """A shard's challenge value; ``others`` write these before each of our swaps."""

    def __init__(self, value: bytes | None = None, others: int = 0) -> None:
        self.value = value
        self.token = 0
        self.others = others

    async def read(self) -> tuple[bytes | None, int]:
        return self.value, self.token

    async def swap(self, value: bytes, old: bytes | None, token: int) -> bool:
        if self.others:
            self.others -= 1
            self.token += 1
            self.value = bytes([self.others]) * ENTRY
        if token != self.token:
            return False
        self.value, self.token = value, token + 1
        return True


async def look(one: Challenge, shard: Value, now: float = 0.0) -> bool:
    return await keep(one, shard, now)


def is_fresh(one: Challenge, value: bytes | None) -> bool:
    return challenge_digest(value or b"") in one.fresh


@pytest.mark.anyio
async def test_a_coordinator_that_begins_puts_its_nonce_in_and_believes_nothing_older() -> None:
    shard, old = Value(), challenge("c0")
    await look(old, shard)
    before, one = shard.value, challenge()
    assert not await look(one, shard), "nobody could have signed for it yet"
    assert is_fresh(one, shard.value)
    assert not is_fresh(one, before)
    assert not is_fresh(one, None)
    assert challenge_digest(before or b"") in one.stale
    assert await look(one, shard)
    assert await look(old, shard), "the other's nonce is still in it"
    assert is_fresh(old, shard.value)


@pytest.mark.anyio
async def test_of_its_nonces_the_current_one_and_the_one_before_are_good() -> None:
    shard, one = Value(), challenge()
    await look(one, shard)
    first = shard.value
    assert await look(one, shard, LIFE - 0.1)
    assert shard.value == first
    assert await look(one, shard, LIFE), "the one before is in the value, and good"
    second = shard.value
    assert second != first
    assert is_fresh(one, first)
    assert await look(one, shard, 2 * LIFE)
    assert not is_fresh(one, first)
    assert is_fresh(one, second)
    assert is_fresh(one, shard.value)


@pytest.mark.anyio
@pytest.mark.parametrize("junk", [b"", b"x", bytes(ENTRY), bytes(ENTRY * 9), b"y" * 4096])
async def test_a_value_that_was_overwritten_is_good_for_nothing_and_mended(junk: bytes) -> None:
    shard, one = Value(), challenge()
    await look(one, shard)
    good, shard.value = shard.value, junk
    assert not await look(one, shard)
    assert one.put_back == 1
    assert not is_fresh(one, junk)
    assert is_fresh(one, good), "what was signed for the value before is as good as it was"
    assert is_fresh(one, shard.value)
    assert await look(one, shard)
    assert one.put_back == 1


@pytest.mark.anyio
async def test_the_newest_eight_have_room() -> None:
    shard, ours = Value(), [challenge(f"c{number}") for number in range(MOST_ENTRIES + 1)]
    for one in ours:
        await look(one, shard)
    assert len(shard.value or b"") == MOST_ENTRIES * ENTRY
    assert not await look(ours[0], shard), "the oldest had to go"
    assert is_fresh(ours[0], shard.value)
    for one in ours[2:]:
        assert await look(one, shard)
        assert is_fresh(one, shard.value)


@pytest.mark.anyio
async def test_others_that_write_at_once_cost_another_try() -> None:
    shard, one = Value(others=1), challenge()
    await look(one, shard)
    assert is_fresh(one, shard.value)
    assert len(shard.value or b"") == 2 * ENTRY
    shard.value, shard.others = None, 9
    assert not await look(one, shard)
    assert not is_fresh(one, shard.value), "it tries again with the next sweep"
    shard.others = 0
    await look(one, shard)
    assert is_fresh(one, shard.value)


@pytest.mark.anyio
async def test_however_many_values_there_were_only_the_newest_are_remembered() -> None:
    shard, one = Value(), challenge()
    await look(one, shard)
    good = shard.value or b""
    for number in range(3 * REMEMBERED):
        shard.value = good + bytes([number]) * ENTRY
        await look(one, shard)
    assert len(one.fresh) == REMEMBERED
    assert is_fresh(one, shard.value)
    assert not is_fresh(one, good)
    for number in range(3 * REMEMBERED):
        shard.value = bytes([number]) * ENTRY
        await look(one, shard)
    assert len(one.stale) == REMEMBERED
