"""The members of a desk for tests of the HTTP API, one by one."""

from datetime import UTC, datetime

import msgspec

from musterd.answers import MemberAnswer, MemberChange
from musterd.model import Facts, Mark, Member, State, Transition, Verdict

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Seat(msgspec.Struct):
    """A member, and what is said of it."""

    member: Member
    state: State
    reason: str
    facts: Facts = Facts()
    history: list[Transition] = []


def verdict_of(answer: MemberAnswer) -> Verdict:
    """The short answer."""
    return Verdict(answer.up, answer.schedulable, answer.down, answer.state)


def answer_of(seat: Seat) -> MemberAnswer:
    """Everything about the member."""
    member, facts = seat.member, seat.facts
    up = seat.state in (State.UP, State.SUSPECT) and not facts.forced_down
    forced = facts.forced_down and seat.state != State.LEFT
    return MemberAnswer(
        group=member.group,
        member=member.name,
        state=State.DOWN if forced else seat.state,
        up=up,
        schedulable=up and not facts.disabled,
        down=seat.state in (State.DOWN, State.LEFT) or facts.forced_down,
        reason=seat.reason,
        since=NOW,
        silent_for=0.5,
        interval=10.0,
        incarnation="00000000000000ff",
        conflict=False,
        zone=member.zone if facts.zone is None else facts.zone,
        owner=member.owner if facts.owner is None else facts.owner,
        metadata=member.metadata if facts.metadata is None else facts.metadata,
        disabled=facts.disabled,
        disabled_reason=facts.disabled_reason,
        forced_down=facts.forced_down,
        forced_down_reason=facts.forced_down_reason,
        observed=seat.state,
        marks=[mark for mark in (Mark.DISABLED, Mark.FORCED_DOWN) if getattr(facts, mark)],
    )


def change_of(
    seat: Seat, version: int, *, gone: bool = False, old: State | None = None
) -> MemberChange:
    """What readers that follow are told of a member; its state was ``old``, if it changed."""
    answer = answer_of(seat)
    return MemberChange(
        version,
        NOW,
        answer.group,
        answer.member,
        answer.state,
        answer.up,
        answer.schedulable,
        answer.down,
        answer.reason,
        gone,
        answer.marks,
        answer.disabled_reason,
        answer.forced_down_reason,
        zone=answer.zone,
        old=old,
        cause="" if old is None else "silent",
    )
