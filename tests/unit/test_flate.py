"""Parts that are compressed once make whole gzip streams, in whatever order they are sent."""

import gzip
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from musterd_coordinator.http.flate import (
    LARGE,
    PIECE,
    Chunk,
    Forgotten,
    accepts_gzip,
    gzipped,
    pieces,
)

BODIES = st.one_of(
    st.binary(max_size=300),
    st.integers(1, 3000).map(lambda size: b"abcdefgh" * size),
)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ([], False),
        (["gzip"], True),
        (["br, GZIP"], True),
        (["br", "gzip;q=0.5"], True),
        (["*"], True),
        (["*;q=0"], False),
        (["gzip;q=0, *"], False),
        (["identity"], False),
        (["gzip;q=much"], False),
        (["gzip;level=9"], True),
    ],
)
def test_who_takes_gzip(said: Sequence[str], taken: bool) -> None:
    headers = [(b"accept", b"*/*"), *((b"accept-encoding", one.encode()) for one in said)]
    assert accepts_gzip({"headers": headers}) is taken


@given(st.lists(BODIES, max_size=6))
def test_parts_in_any_order_are_one_stream(bodies: Sequence[bytes]) -> None:
    parts = [Chunk(body) for body in bodies]
    assert gzip.decompress(gzipped(parts)) == b"".join(bodies)
    assert gzip.decompress(gzipped(reversed(parts))) == b"".join(reversed(bodies))


async def _sent(bodies: Sequence[bytes], *, compressed: bool) -> list[bytes]:
    async def parts() -> AsyncGenerator[Chunk]:
        for body in bodies:
            yield Chunk(body)

    return [piece async for piece in pieces(parts(), compressed=compressed)]


@pytest.mark.anyio
@pytest.mark.parametrize("compressed", [True, False])
async def test_large_parts_are_sent_in_small_pieces(compressed: bool, noise: bytes) -> None:
    bodies = [noise, b"", b"short"]
    sent = await _sent(bodies, compressed=compressed)
    assert max(map(len, sent)) <= PIECE
    heard = b"".join(sent)
    assert (gzip.decompress(heard) if compressed else heard) == b"".join(bodies)


@pytest.fixture
def noise() -> bytes:
    """More than is compressed here, and than fits into a piece, however it is compressed."""
    return np.random.default_rng(1).bytes(LARGE + 2 * PIECE)


@pytest.mark.anyio
async def test_a_large_part_is_compressed_once() -> None:
    part = Chunk(b"x" * LARGE)
    await part.prepare()
    compressed = part.deflated
    assert gzip.decompress(gzipped([part])) == part.raw
    await part.prepare()
    assert part.deflated is compressed


@pytest.mark.parametrize("how", ["raw", "deflated"])
def test_a_part_that_was_forgotten_is_not_sent(how: Any) -> None:
    part = Chunk(b"x" * 1000)
    assert part.deflated
    part.forget()
    with pytest.raises(Forgotten):
        getattr(part, how)
