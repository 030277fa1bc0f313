"""What a sweep must have seen to prove anything."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest
import trio.testing
from msgspec import structs
from structlog.testing import capture_logs

from musterd.beat import Beat, member_id
from musterd.errors import ShardUnavailable
from musterd.model import Member
from musterd_coordinator.sweep.base import BeatBatch, Roster
from musterd_coordinator.sweep.columns import Rejected, no_beats
from musterd_coordinator.sweep.loop import Sweeper, SweepOutcome
from musterd_coordinator.sweep.proof import NoProof


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """A clock that jumps to the next deadline when all wait."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0)}


class Shard:
    """A reader of an empty shard that does as it is told, for what no real one does on demand."""

    name = "mc1:11211"

    def __init__(self) -> None:
        self.canary: Beat | None = None
        self.kept = True
        self.read: Callable[[BeatBatch], BeatBatch] = lambda sweep: sweep
        self.before_write: Callable[[], None] = lambda: None
        self.hangs_at = ""

    async def write_canary(self, beat: Beat) -> bool:
        await self._maybe_hang("canary")
        self.before_write()
        self.canary = beat
        return self.kept

    async def renew(self) -> None: ...

    async def roster(self) -> Roster:
        await self._maybe_hang("roster")
        return Roster([(0, Member("compute", "h1"))])

    async def sweep(self) -> BeatBatch:
        await self._maybe_hang("sweep")
        return self.read(BeatBatch(no_beats(), Rejected(), self.canary))

    async def retire(self, member: Member) -> None: ...

    async def aclose(self) -> None: ...

    async def _maybe_hang(self, where: str) -> None:
        if self.hangs_at == where:
            await anyio.sleep_forever()


def sweeper(shard: Shard) -> Sweeper:
    return Sweeper(
        shard,
        member_id("test", "", "c1"),
        period=0.1,
        timeout=0.1,
        canary_timeout=lambda: 0.05,
        wall=lambda: 1_700_000_000.0,
    )


async def outcome(shard: Shard, sweeps: int = 1) -> SweepOutcome:
    made = sweeper(shard)
    for _ in range(sweeps - 1):
        await made.once()
    return await made.once()


async def test_all_well() -> None:
    swept = await outcome(Shard(), sweeps=3)
    assert (swept.proven, swept.reason) == (True, "")
    assert swept.end >= swept.begin


async def test_a_canary_that_does_not_come_back_proves_nothing() -> None:
    shard = Shard()
    shard.read = lambda sweep: replace(sweep, canary=None)
    swept = await outcome(shard)
    assert (swept.proven, "did not come back" in swept.reason) == (False, True)


async def test_an_older_canary_proves_nothing() -> None:
    shard = Shard()
    old: list[Beat] = []

    def stale(sweep: BeatBatch) -> BeatBatch:
        assert sweep.canary is not None
        old.append(sweep.canary)
        return replace(sweep, canary=old[0])

    shard.read = stale
    swept = await outcome(shard, sweeps=2)
    assert (swept.proven, "older canary" in swept.reason) == (False, True)


async def test_a_canary_of_another_run_proves_nothing() -> None:
    shard = Shard()
    shard.read = lambda sweep: replace(
        sweep, canary=Beat(member_id=1, incarnation=1, sequence=1, interval_ms=1)
    )
    assert not (await outcome(shard)).proven


async def test_a_shard_that_lost_the_last_canary_proves_nothing() -> None:
    shard = Shard()
    shard.kept = False
    swept = await outcome(shard)
    assert (swept.proven, "lost the canary" in swept.reason) == (False, True)


async def test_a_shard_that_lost_the_challenge_with_the_canary_lost_everything() -> None:
    shard = Shard()
    shard.read = lambda sweep: replace(sweep, unproven="somebody overwrote the challenge")
    assert "overwrote" in (await outcome(shard)).reason
    shard.kept = False
    swept = await outcome(shard)
    assert "lost the canary" in swept.reason
    assert swept.sweep is not None
    assert swept.sweep.unproven  # so that agents are given the time to see another one


async def test_an_incomplete_sweep_proves_nothing_and_keeps_what_it_brought() -> None:
    shard = Shard()
    shard.read = lambda sweep: replace(sweep, complete=False, reason="cut off")
    swept = await outcome(shard)
    assert (swept.proven, swept.reason) == (False, "cut off")
    assert swept.sweep is not None


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("canary", "the canary was not accepted within 0.05 s"),
        ("roster", "no answer within 0.1 s"),
        ("sweep", "no answer within 0.1 s"),
    ],
)
async def test_nothing_hangs(where: str, reason: str) -> None:
    shard = Shard()
    shard.hangs_at = where
    swept = await outcome(shard)
    assert (swept.proven, swept.reason) == (False, reason)
    assert bool(swept.roster.seated) == (where == "sweep")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ShardUnavailable("mc1", "reset"), "reset"), (ZeroDivisionError(), "fault in the driver")],
)
async def test_no_error_of_a_driver_ends_the_sweeps(error: Exception, reason: str) -> None:
    shard = Shard()

    def fail() -> None:
        raise error

    shard.before_write = fail
    with capture_logs():
        swept = await outcome(shard)
    assert not swept.proven
    assert swept.reason.startswith(reason)


def canaries(**changes: object) -> Callable[[BeatBatch], BeatBatch]:
    """Read the canary with other fields than were written."""

    def read(sweep: BeatBatch) -> BeatBatch:
        assert sweep.canary is not None
        return replace(sweep, canary=structs.replace(sweep.canary, **changes))

    return read


@pytest.mark.parametrize(
    ("read", "doubt"),
    [
        (lambda sweep: sweep, None),
        (lambda sweep: replace(sweep, complete=False, reason="cut off"), NoProof.INCOMPLETE),
        (lambda sweep: replace(sweep, unproven="overwritten"), NoProof.CHALLENGE),
        (lambda sweep: replace(sweep, doubt="the way may be closed"), NoProof.STORE_DOUBTS),
        (lambda sweep: replace(sweep, canary=None), NoProof.NO_CANARY),
        (canaries(sequence=7), NoProof.OTHER_CANARY),
        (canaries(mac=b"x" * 16), NoProof.OTHER_CANARY),
    ],
)
async def test_a_word_says_why_what_was_read_is_no_proof(
    read: Callable[[BeatBatch], BeatBatch], doubt: NoProof | None
) -> None:
    shard = Shard()
    shard.read = read
    assert (await outcome(shard)).doubt is doubt


async def test_a_word_says_why_a_shard_did_not_answer_as_one() -> None:
    def hang(shard: Shard) -> None:
        shard.hangs_at = "canary"

    def lose(shard: Shard) -> None:
        shard.kept = False

    def refuse(shard: Shard) -> None:
        shard.before_write = lambda: fail(ShardUnavailable("mc1", "reset"))

    def break_down(shard: Shard) -> None:
        shard.before_write = lambda: fail(ZeroDivisionError())

    def fail(error: Exception) -> None:
        raise error

    for trouble, doubt in (
        (hang, NoProof.TIMEOUT),
        (lose, NoProof.CANARY_LOST),
        (refuse, NoProof.STORE),
        (break_down, NoProof.DRIVER),
    ):
        shard = Shard()
        trouble(shard)
        with capture_logs():
            assert (await outcome(shard)).doubt is doubt
