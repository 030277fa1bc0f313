"""What many readers hear is compressed once for all of them, whatever each heard before.

Deflate may begin anew at any byte (RFC 1951): a part ends in a full flush, and refers to nothing
before it. So parts can be put one after the other into any gzip stream (RFC 1952), of which each
reader's own is only the checksum of it all.
"""

import zlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing

import anyio.to_thread
from starlette.types import Scope

PIECE = 64 * 1024
"""Bytes that are sent to a reader at once, and are there again for each while it does not take them."""

SMALL = 128
"""Bytes up to which a part is stored as it is: to compress it costs more than it saves."""

LARGE = 32 * 1024
"""Bytes from which on a part is compressed in a thread: here it would take half a millisecond or more."""

_LEVEL = 1
_RAW = -zlib.MAX_WBITS
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"  # fastest, by an unknown system
_LAST = b"\x03\x00"  # a last block, of nothing


def accepts_gzip(scope: Scope) -> bool:
    """Say whether whoever asks takes answers in gzip (RFC 9110, 12.5.3)."""
    said = b",".join(value for name, value in scope["headers"] if name == b"accept-encoding")
    weights = {coding.strip().lower(): _weight(rest) for coding, _, rest in _codings(said)}
    return weights.get(b"gzip", weights.get(b"*", 0.0)) > 0


def _codings(said: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    return (part.partition(b";") for part in said.split(b","))


def _weight(rest: bytes) -> float:
    name, _, value = rest.partition(b"=")
    if name.strip().lower() != b"q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


class Forgotten(Exception):
    """A part is not kept any more."""


class Chunk:
    """A `Chunk` is a part of an answer, as it is and compressed."""

    __slots__ = ("_deflated", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw: bytes | None = raw
        self._deflated: bytes | None = None

    @property
    def raw(self) -> bytes:
        """Return it as it is; raises Forgotten."""
        if self._raw is None:
            raise Forgotten
        return self._raw

    @property
    def deflated(self) -> bytes:
        """Return it compressed, once for all; raises Forgotten."""
        if self._deflated is None or self._raw is None:
            self._deflated = deflated(self.raw)
        return self._deflated

    async def prepare(self) -> None:
        """Compress it in a thread if it is large."""
        if self._deflated is None and len(self.raw) >= LARGE:
            self._deflated = await anyio.to_thread.run_sync(deflated, self.raw)

    def forget(self) -> None:
        """Keep it no more; whoever is sending it then fails."""
        self._raw = self._deflated = None


def deflated(raw: bytes) -> bytes:
    """Return ``raw`` as blocks of deflate that refer to nothing before them, and end at a whole byte."""
    if len(raw) <= SMALL:
        size = len(raw)
        return b"\x00%b%b%b" % (
            size.to_bytes(2, "little"),
            (size ^ 0xFFFF).to_bytes(2, "little"),
            raw,
        )
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return packer.compress(raw) + packer.flush(zlib.Z_FULL_FLUSH)


class _Gzip:
    """A `_Gzip` is one stream, made of parts."""

    def __init__(self) -> None:
        self._checksum = self._size = 0

    def add(self, part: Chunk) -> bytes:
        """Return what is to be sent of ``part``."""
        self._checksum = zlib.crc32(part.raw, self._checksum)
        self._size += len(part.raw)
        return part.deflated

    def end(self) -> bytes:
        """Return the last of the stream."""
        size = self._size & 0xFFFFFFFF
        return _LAST + self._checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


def gzipped(parts: Iterable[Chunk]) -> bytes:
    """Return all of ``parts`` as one gzip stream."""
    stream = _Gzip()
    return b"".join([_HEAD, *map(stream.add, parts), stream.end()])


async def pieces(parts: AsyncGenerator[Chunk], *, compressed: bool) -> AsyncGenerator[bytes]:
    """Yield what is to be sent of ``parts``, in pieces that are small enough to be kept for each reader.

    Raises Forgotten for a part that the reader did not take in time.
    """
    stream = _Gzip()
    async with aclosing(parts):
        if compressed:
            yield _HEAD
        async for part in parts:
            if compressed:
                await part.prepare()
                stream.add(part)
            for piece in _pieces(part, compressed=compressed):
                yield piece
    if compressed:
        yield stream.end()


def _pieces(part: Chunk, *, compressed: bool) -> Iterator[bytes]:
    for at in range(0, len(part.deflated if compressed else part.raw), PIECE):
        yield (part.deflated if compressed else part.raw)[at : at + PIECE]
