"""What holds verdicts back, and since when: nothing does so without a word."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import numpy as np

from musterd.model import Hold, StormStatus
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.coverage import uncovered
from musterd_coordinator.roll.roll import Roll
from musterd_coordinator.roll.shard import ShardState, wall_instant
from musterd_coordinator.roll.wording import examples

_NAMED = 3


def holds(roll: Roll, started: datetime) -> list[Hold]:
    """All that hold anybody's verdict back now, but mass silences; the coordinator ``started`` then."""
    by_shard = range(len(roll.shards))
    return [
        *_starting(roll, started),
        *(hold for shard in by_shard for hold in _unheard(roll, shard)),
        *(hold for shard in by_shard for hold in _allowances(roll, shard)),
        *(hold for shard in by_shard for hold in _slow_canaries(roll, shard)),
        *(hold for shard in by_shard for hold in _given_up(roll, shard)),
        *_clamped(roll),
        *_waiting(roll),
    ]


def of_storms(storms: Iterable[StormStatus], roll: Roll) -> Iterator[Hold]:
    """The mass silences that are held; they go on only while their shards are listened to."""
    now = roll.clocks.instant(roll.clocks.monotonic())
    for storm in storms:
        yield Hold(
            "storm",
            f"{storm.group}/{storm.zone}" if storm.zone else storm.group,
            f"{storm.silent} of {storm.living} members fell silent at once: the observer is the"
            " likelier culprit",
            storm.since,
            now + timedelta(seconds=storm.ends_in) if all(roll.listening) else None,
            storm.silent,
        )


def _starting(roll: Roll, started: datetime) -> Iterator[Hold]:
    if not roll.ready:
        reason = "not ready: it has not listened long enough since it started to know who lives"
        yield Hold("starting", "", reason, started, None, len(roll.directory))


def _unheard(roll: Roll, index: int) -> Iterator[Hold]:
    """A shard that is not listening holds those back who are heard nowhere else."""
    shard, heard = roll.shards[index], roll.listening
    if heard[index]:
        return
    theirs = {at: count for at, count in roll.placement.coverage.all.items() if index in at}
    if count := uncovered(theirs, heard):
        until = None
        if (kind := kind_of(shard)) == "spoiled" and shard.spoiled.until is not None:
            until = roll.clocks.instant(shard.spoiled.until)
        yield Hold(kind, shard.name, shard.reason, wall_instant(shard.since), until, count)


def _given_up(roll: Roll, index: int) -> Iterator[Hold]:
    """Who holds up nobody else any longer, and cannot be heard himself."""
    shard = roll.shards[index]
    seated = [shard.seats.row_in(slot) for slot in shard.spoiled.given_up.tolist()]
    rows = np.array([row for row in seated if row is not None], np.int64)
    if len(rows):
        since = roll.clocks.instant(shard.spoiled.given_up_since)
        reason = (
            "what stands in the store for them is no beat of theirs, so they count as silent:"
            f" {_names(roll, rows)}"
        )
        yield Hold("given up", shard.name, reason, since, None, len(rows))


def kind_of(shard: ShardState) -> str:
    """In one word, why it is not listening."""
    if shard.reason and shard.reason == shard.spoiled.reason:
        return "spoiled"
    return "relay" if "relay" in shard.reason.partition(":")[0] else "not listening"


def _waiting(roll: Roll) -> Iterator[Hold]:
    admission = roll.admission
    if admission.not_seated and admission.waiting_since is not None:
        since = wall_instant(admission.waiting_since)
        reason = "this coordinator has as many members, groups or zones as it takes"
        yield Hold("no room", "", reason, since, None, admission.not_seated)


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
