"""The module sweeps a shard in a loop, each time a canary and batched reads under a deadline.

A loop belongs to one shard alone: a shard that fails or hangs delays no other, and the next sweep
of a shard never begins before the last one ended.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2s
from math import inf
from random import Random
from secrets import token_bytes
from time import perf_counter
from typing import Protocol

import anyio
import structlog
from msgspec.structs import replace

from musterd.beat import SIGNED, Beat, head, new_incarnation
from musterd.errors import StoreError
from musterd.keys import KEY_SIZE, MAC_SIZE
from musterd.model import Member
from musterd_coordinator.sweep.base import BeatBatch, Roster, ShardReader
from musterd_coordinator.sweep.proof import (
    LOST_CANARY,
    CanaryLate,
    NoProof,
    Unproven,
    doubt_of,
    doubt_of_canary,
)
from musterd_coordinator.sweep.spoilage import Spoilage, Spoiled

log = structlog.get_logger(__name__)

RENEW_EVERY = 5
"""Sweeps between two fresh connections, so that a store that serves old connections and refuses
new ones is not taken for one that listens: not until it takes one again."""

SOONER = 0.1
"""The part of a period by which a sweep may come sooner."""


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """A `SweepOutcome` holds what one sweep of a shard brought.

    ``begin`` and ``end`` are monotonic seconds. ``roster`` and ``sweep`` may be believed as far as
    they go even when the sweep proved nothing; then ``reason`` says why, and ``doubt`` in a word.
    ``canary_seconds`` is how long it took until the canary was accepted, ``seconds`` how long all of
    it took. ``spoiled`` are records that are no beats; None where not all were read.
    """

    begin: float
    end: float
    proven: bool
    reason: str
    roster: Roster
    sweep: BeatBatch | None
    canary_seconds: float | None
    seconds: float
    spoiled: Spoiled | None = None
    doubt: NoProof | None = None


class Sweeper:
    """A `Sweeper` sweeps one shard, every ``period`` seconds or, by chance, up to a tenth sooner.

    The chance keeps several coordinators from sweeping in step, and two agents with one name from
    always beating in the same order between two sweeps.

    ``canary_timeout()`` is the push timeout of nearly all agents of the shard, ``down_time()`` how
    long they may be silent. ``stopwatch`` measures for people; what decides is the loop's clock,
    which uvloop keeps to the millisecond.
    """

    def __init__(
        self,
        reader: ShardReader,
        coordinator_id: int,
        *,
        period: float,
        timeout: float,
        canary_timeout: Callable[[], float],
        down_time: Callable[[], float] = lambda: inf,
        wall: Callable[[], float],
        stopwatch: Callable[[], float] = perf_counter,
        rng: Random | None = None,
    ) -> None:
        self.reader = reader
        self._id = coordinator_id
        self._period = period
        self._timeout = timeout
        self._canary_timeout = canary_timeout
        self._spoilage = Spoilage(reader.name, down_time)
        self._wall = wall
        self._stopwatch = stopwatch
        self._rng = rng or Random()
        self._key = token_bytes(KEY_SIZE)  # of this run: nobody else writes what reads back as ours
        self._incarnation = new_incarnation()
        self._sequence = 0
        self._renewal_due = False  # stays so until it succeeds
        self._busy = anyio.Lock()  # a reader's calls never overlap

    async def run(self, take: "Take") -> None:
        """Sweep once a period for ever, and hand each outcome to ``take``."""
        due = anyio.current_time()
        try:
            while True:
                swept = await self.once()
                await take(swept)
                more = swept.roster.more
                del swept  # all beats of a sweep: not to be kept beside those of the next
                if more:
                    continue
                pause = self._period * self._rng.uniform(1 - SOONER, 1)
                due = max(due + pause, anyio.current_time())
                await anyio.sleep_until(due)
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self.reader.aclose()

    async def once(self) -> SweepOutcome:
        """Sweep once. Raises nothing but cancellation: whatever goes wrong proves nothing."""
        attempt = _Attempt(anyio.current_time(), self._stopwatch())
        try:
            with anyio.fail_after(self._timeout):
                async with self._busy:
                    why = await self._attempt(attempt)
        except TimeoutError:
            why = Unproven(NoProof.TIMEOUT, f"no answer within {self._timeout:g} s")
        except CanaryLate as error:
            why = Unproven(NoProof.TIMEOUT, error.reason)
        except StoreError as error:
            why = Unproven(NoProof.STORE, error.reason)
        except Exception as error:  # a driver's fault must not end the sweeps of its shard
            log.exception("sweep failed", shard=self.reader.name)
            why = Unproven(NoProof.DRIVER, f"fault in the driver: {error!r}")
        return attempt.outcome(anyio.current_time(), why, self._stopwatch())

    async def retire(self, member: Member) -> None:
        """Remove a forgotten member from the shard. Raises StoreError."""
        async with self._busy:
            await self.reader.retire(member)

    async def _attempt(self, attempt: "_Attempt") -> Unproven | None:
        """Fill ``attempt``; return why it proves nothing, or None if it is a proof."""
        canary = self._next_canary()
        self._renewal_due |= self._sequence % RENEW_EVERY == 0
        kept = await self._write(canary)
        attempt.canary_seconds = self._took(attempt)
        attempt.roster = await self.reader.roster()
        if attempt.roster.more:
            return Unproven(NoProof.ROSTER, "still reading who is there")
        attempt.sweep = sweep = await self.reader.sweep()
        if not sweep.complete:
            return Unproven(NoProof.INCOMPLETE, sweep.reason)
        attempt.spoiled = self._spoilage.update(sweep, anyio.current_time())
        if not kept:  # and the challenge with it, if there was one: this is why
            return Unproven(NoProof.CANARY_LOST, LOST_CANARY)
        return doubt_of(sweep, attempt.spoiled) or doubt_of_canary(sweep.canary, canary)

    def _took(self, attempt: "_Attempt") -> float:
        """Return the seconds since it began, by the clock that says more.

        Members are judged by them.
        """
        return max(self._stopwatch() - attempt.started, anyio.current_time() - attempt.begin)

    async def _write(self, canary: Beat) -> bool:
        timeout = self._canary_timeout()
        try:
            with anyio.fail_after(timeout):
                if self._renewal_due:
                    await self.reader.renew()
                kept = await self.reader.write_canary(canary)
        except TimeoutError:
            raise CanaryLate(
                self.reader.name, f"the canary was not accepted within {timeout:g} s"
            ) from None
        self._renewal_due = False
        return kept

    def _next_canary(self) -> Beat:
        self._sequence += 1
        canary = Beat(
            member_id=self._id,
            incarnation=self._incarnation,
            sequence=self._sequence,
            interval_ms=int(self._period * 1000),
            sent_ms=int(self._wall() * 1000),
            version=SIGNED,
        )
        record = head(canary, SIGNED)
        mac = blake2s(record, key=self._key, digest_size=MAC_SIZE).digest()
        return replace(canary, mac=mac)


class Take(Protocol):
    """A `Take` takes the outcome of each sweep."""

    async def __call__(self, swept: SweepOutcome, /) -> None: ...


@dataclass(slots=True)
class _Attempt:
    begin: float
    started: float
    roster: Roster = field(default_factory=Roster)
    sweep: BeatBatch | None = None
    canary_seconds: float | None = None
    spoiled: Spoiled | None = None

    def outcome(self, end: float, why: Unproven | None, stopped: float) -> SweepOutcome:
        return SweepOutcome(
            self.begin,
            end,
            why is None,
            why.reason if why else "",
            self.roster,
            self.sweep,
            self.canary_seconds,
            stopped - self.started,
            self.spoiled,
            why.doubt if why else None,
        )
