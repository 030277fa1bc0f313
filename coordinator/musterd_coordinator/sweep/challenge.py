"""The module keeps one coordinator's nonces in a shard's challenge value, and knows what they make fresh.

Agents sign each beat for the challenge value that they saw last. A record is fresh for a coordinator
if it was signed for a value with a nonce that this coordinator drew in this run: its current one or
the one before. So a record that was copied before this coordinator began, or long ago, is worthless,
whatever the coordinator remembers, and no clock is compared with another.

A value is up to eight entries of sixteen bytes, one for each coordinator: four bytes of BLAKE2s of
its name, and its nonce. Anybody who reaches the store can overwrite the value. Then what agents sign
is fresh for nobody, which is no evidence of silence, until the coordinator puts its nonce back with
its next sweep.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2s
from math import inf
from secrets import token_bytes
from typing import Protocol

import structlog

from musterd.keys import CHALLENGE_LIMIT, challenge_digest

log = structlog.get_logger(__name__)

TAG = 4
NONCE = 12
ENTRY = TAG + NONCE
MOST_ENTRIES = CHALLENGE_LIMIT // ENTRY

NONCE_LIFE = 10.0
"""Down times after which another nonce is drawn. A record is worthless after two of them."""

REMEMBERED = 8
"""Values that are fresh, and as many that are not any more: the newest."""

TRIES = 3
"""Times that the value is written in one sweep, where others write it too."""


UNSEEN = (
    "agents cannot have seen this coordinator's nonce yet: it has just begun, or somebody overwrote"
    " the challenge that they sign"
)


class ChallengeValue(Protocol):
    """A `ChallengeValue` is where a shard keeps its challenge."""

    async def read(self) -> tuple[bytes | None, int]:
        """Return the value, None where there is none, and a token for :meth:`swap`."""

    async def swap(self, value: bytes, old: bytes | None, token: int) -> bool:
        """Store ``value`` unless another was stored since; say whether it is stored now."""


class Challenge:
    """A `Challenge` decides what a shard's value must be, and which records are fresh; pure.

    ``down_time()`` is in seconds, as are all instants, of one monotonic clock. ``missing`` says that
    the value at the last look had no nonce that makes records fresh; ``put_back`` counts how often
    that was so of one that this coordinator had put in. ``fresh`` and ``stale`` are the digests of
    values that it saw, newest first: records for the latter were signed too long ago, or before it
    began.
    """

    def __init__(
        self,
        coordinator: str,
        down_time: Callable[[], float],
        draw: Callable[[int], bytes] = token_bytes,
    ) -> None:
        self._tag = blake2s(coordinator.encode()).digest()[:TAG]
        self._down_time = down_time
        self._draw = draw
        self._nonces: tuple[bytes, ...] = ()  # the current one and the one before
        self._due = -inf
        self._seen: dict[bytes, bytes | None] = {}  # the digest of a value, and the nonce in it
        self._is_in = False  # was the current nonce in the value that was seen last?
        self.missing = True
        self.put_back = 0
        self.fresh: tuple[bytes, ...] = ()
        self.stale: tuple[bytes, ...] = ()

    def update(self, value: bytes | None, now: float) -> bytes | None:
        """Take in the value that stands in the shard; return what must stand there, if another."""
        self._draw_if_due(now)
        entries = list(_entries(value or b""))
        own = [entry[TAG:] for entry in entries if entry[:TAG] == self._tag]
        found = next((nonce for nonce in self._nonces if nonce in own), None)
        self._note(value or b"", found)
        self.missing = found is None
        self.put_back += self.missing and self._is_in
        self._is_in = self._nonces[0] in own
        if self._is_in:
            return None
        others = [entry for entry in entries if entry[:TAG] != self._tag]
        return b"".join([self._tag + self._nonces[0], *others][:MOST_ENTRIES])

    def written(self, value: bytes) -> None:
        """Note that ``value``, which :meth:`update` returned, stands in the shard."""
        self._is_in = True
        self._note(value, self._nonces[0])

    def _draw_if_due(self, now: float) -> None:
        if now < self._due:
            return
        self._nonces = (self._draw(NONCE), *self._nonces)[:2]
        self._due = now + NONCE_LIFE * self._down_time()
        self._is_in = False
        self._sort()

    def _note(self, value: bytes, nonce: bytes | None) -> None:
        digest = challenge_digest(value)
        if next(reversed(self._seen), None) == digest and self._seen[digest] == nonce:
            return
        self._seen.pop(digest, None)
        self._seen[digest] = nonce
        self._sort()

    def _sort(self) -> None:
        fresh = [digest for digest, nonce in self._seen.items() if nonce in self._nonces]
        stale = [digest for digest, nonce in self._seen.items() if nonce not in self._nonces]
        self.fresh, self.stale = (tuple(some[: -REMEMBERED - 1 : -1]) for some in (fresh, stale))
        kept = {*self.fresh, *self.stale}
        self._seen = {digest: nonce for digest, nonce in self._seen.items() if digest in kept}


async def keep(challenge: Challenge, shard: ChallengeValue, now: float) -> bool:
    """Look at the value of ``shard`` and put the nonce in where it is missing.

    Returns whether agents could have seen one that makes their beats fresh. Raises StoreError.
    """
    could = True
    for _ in range(TRIES):
        old, token = await shard.read()
        value = challenge.update(old, now)
        could &= not challenge.missing
        if value is None:
            break
        if await shard.swap(value, old, token):
            challenge.written(value)
            break
    return could


def _entries(value: bytes) -> Iterator[bytes]:
    """Yield the entries of ``value``; none of one that no coordinator wrote."""
    if len(value) % ENTRY or len(value) > CHALLENGE_LIMIT:
        return
    for at in range(0, len(value), ENTRY):
        yield value[at : at + ENTRY]
