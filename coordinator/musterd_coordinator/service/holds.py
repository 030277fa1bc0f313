"""Nothing holds verdicts back without a word: here is what does, and since when."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from musterd.status import Hold, StormStatus
from musterd_coordinator.judge.members import Rows
from musterd_coordinator.roll.hearing import Hearing
from musterd_coordinator.roll.shard import ShardHealth, wall_instant
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.roll.wording import examples

_NAMED = 3


def holds(view: RollView, started: datetime) -> list[Hold]:
    """Return all that hold a verdict back now, but mass silences; the coordinator ``started`` then."""
    by_shard = range(len(view.hearing.shards))
    return [
        *_starting(view, started),
        *(hold for shard in by_shard for hold in _unheard(view, shard)),
        *(hold for shard in by_shard for hold in _allowances(view, shard)),
        *(hold for shard in by_shard for hold in _slow_canaries(view, shard)),
        *(hold for shard in by_shard for hold in _given_up(view, shard)),
        *(hold for shard in by_shard for hold in _overwritten(view, shard)),
        *_clamped(view),
        *_waiting(view.hearing),
    ]


def of_storms(storms: Iterable[StormStatus], view: RollView) -> Iterator[Hold]:
    """Yield the mass silences that are held; they go on only while their shards are listened to."""
    now, all_listen = view.clocks.from_now(0.0), all(view.hearing.listening)
    for storm in storms:
        yield Hold(
            "storm",
            f"{storm.group}/{storm.zone}" if storm.zone else storm.group,
            f"{storm.silent} of {storm.living} members fell silent at once: the observer is the"
            " likelier culprit",
            storm.since,
            now + timedelta(seconds=storm.ends_in) if all_listen else None,
            storm.silent,
        )


def _starting(view: RollView, started: datetime) -> Iterator[Hold]:
    if not view.ready:
        reason = "not ready: it has not listened long enough since it started to know who lives"
        yield Hold("starting", "", reason, started, None, len(view))


def _unheard(view: RollView, index: int) -> Iterator[Hold]:
    """Yield a shard that is not listening; it holds members back that are heard nowhere else."""
    shard = view.hearing.shards[index]
    if shard.listening or not (count := view.hearing.uncovered_on(index)):
        return
    until = None
    if (kind := kind_of(shard)) == "spoiled" and shard.spoiled.until is not None:
        until = view.clocks.instant(shard.spoiled.until)
    yield Hold(kind, shard.name, shard.reason, wall_instant(shard.since), until, count)


def _overwritten(view: RollView, index: int) -> Iterator[Hold]:
    """Yield a hold for members whose records somebody overwrites, or which signed them too early."""
    shard = view.hearing.shards[index]
    if held := view.hearing.contested(index):
        reason = (
            "records that they did not sign now stand in the store for them, so they have three times"
            f" as long to be heard by their own: {_names(view, held.rows)}"
        )
        until = view.clocks.from_now(held.left) if shard.listening else None
        yield Hold("overwritten", shard.name, reason, held.since, until, len(held.rows))


def _given_up(view: RollView, index: int) -> Iterator[Hold]:
    """Yield members that hold up no others any longer, and cannot be heard themselves."""
    if held := view.hearing.given_up(index):
        reason = (
            "what stands in the store for them is no beat of theirs, so they count as silent:"
            f" {_names(view, held.rows)}"
        )
        shard = view.hearing.shards[index].name
        yield Hold("given up", shard, reason, held.since, None, len(held.rows))


def kind_of(shard: ShardHealth) -> str:
    """Say in one word why it is not listening."""
    if shard.reason and shard.reason == shard.spoiled.reason:
        return "spoiled"
    return "relay" if "relay" in shard.reason.partition(":")[0] else "not listening"


def _waiting(hearing: Hearing) -> Iterator[Hold]:
    if hearing.not_seated and (since := hearing.waiting_since) is not None:
        reason = "this coordinator has as many members, groups or zones as it takes"
        yield Hold("no room", "", reason, since, None, hearing.not_seated)


def _allowances(view: RollView, index: int) -> Iterator[Hold]:
    shard = view.hearing.shards[index]
    if held := view.hearing.put_off(index):
        yield Hold(
            "allowance",
            shard.name,
            "it was not listened to without a break: whoever lives has two intervals and a push to"
            " come back, or three chances between the gaps",
            held.since,
            view.clocks.from_now(held.left) if shard.listening else None,
            len(held.rows),
        )


def _slow_canaries(view: RollView, index: int) -> Iterator[Hold]:
    shard = view.hearing.shards[index]
    if held := view.hearing.deaf(index):
        yield Hold(
            "canary",
            shard.name,
            f"the canary took {shard.canary_seconds or 0.0:.2g} s, and these wait less for a push:"
            f" {_names(view, held.rows)}",
            held.since,
            None,
            len(held.rows),
        )


def _clamped(view: RollView) -> Iterator[Hold]:
    if held := view.hearing.clamped():
        yield Hold(
            "promises",
            "",
            "beats promise an interval or a push timeout that no agent may be set to, and are held to"
            f" what one may: {_names(view, held.rows)}",
            held.since,
            None,
            len(held.rows),
        )


def _names(view: RollView, rows: Rows) -> str:
    return examples([str(view.member(row)) for row in rows[:_NAMED].tolist()], len(rows))
