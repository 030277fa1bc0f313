"""What holds verdicts back, and since when: nothing does so without a word."""

from collections.abc import Iterator

from musterd.model import Hold
from musterd_coordinator.members import Rows
from musterd_coordinator.roll import Roll
from musterd_coordinator.shard import wall_instant
from musterd_coordinator.wording import examples

_NAMED = 3


def holds(roll: Roll) -> list[Hold]:
    """All that hold anybody's verdict back now."""
    by_shard = range(len(roll.shards))
    return [
        *(hold for shard in by_shard for hold in _allowances(roll, shard)),
        *(hold for shard in by_shard for hold in _slow_canaries(roll, shard)),
        *_clamped(roll),
    ]


def _allowances(roll: Roll, index: int) -> Iterator[Hold]:
    detector, shard = roll.detector, roll.shards[index]
    rows, since = detector.gaps.put_off(index), detector.gaps.put_off_since(index)
    if not len(rows) or since is None:
        return
    left = float((detector.members.down_after[rows] - detector.silence(rows)).max())
    now = roll.clocks.monotonic()
    yield Hold(
        "allowance",
        shard.name,
        "it was not listened to without a break: whoever lives has two intervals and a push to come"
        " back, or three chances between the gaps",
        roll.clocks.instant(since),
        roll.clocks.instant(now + max(0.0, left)) if shard.clock.listening else None,
        len(rows),
    )


def _slow_canaries(roll: Roll, index: int) -> Iterator[Hold]:
    gaps, shard = roll.detector.gaps, roll.shards[index]
    rows, since = gaps.deaf(index), gaps.deaf_since(index)
    if not len(rows) or since is None:
        return
    yield Hold(
        "canary",
        shard.name,
        f"the canary took {shard.canary_seconds or 0.0:.2g} s, and these wait less for a push:"
        f" {_names(roll, rows)}",
        roll.clocks.instant(since),
        None,
        len(rows),
    )


def _clamped(roll: Roll) -> Iterator[Hold]:
    notices = roll.notices
    if (since := notices.clamped_since) is not None and len(notices.clamped):
        yield Hold(
            "promises",
            "",
            "beats promise an interval or a push timeout that no agent may be set to, and are held to"
            f" what one may: {_names(roll, notices.clamped)}",
            wall_instant(since),
            None,
            len(notices.clamped),
        )


def _names(roll: Roll, rows: Rows) -> str:
    return examples([str(roll.directory.member(row)) for row in rows[:_NAMED].tolist()], len(rows))
