"""``musterd status`` shows how well the coordinator hears its store."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.cli.health import faults
from musterd.model import State
from musterd.settings.options import Role
from musterd.status import Hold, ShardStatus, StatusAnswer, StormStatus


def parser(name: str) -> Parser:
    """Return the command line of ``musterd status``."""
    made = new_parser(name, "musterd status --coordinator http://coordinator-1:8420", Role.READER)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Show the coordinator, its shards and its storms.

    Returns 0, or 1 when its verdicts are not to be relied on: it is not ready, it does not hear its
    whole store, or it has lost its registry.
    """
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.status()
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    return 1 if list(faults(answer)) else 0


def text(answer: StatusAnswer, paint: render.Paint, now: datetime) -> str:
    """Return the coordinator, a table of its shards, and one of what holds verdicts back."""
    parts = [render.facts(_facts(answer, paint, now)), _shards(answer.shards, paint, now)]
    if answer.storms:
        parts.append(_storms(answer.storms, now))
    if answer.held:
        parts.append(_held(answer.held, now))
    return "\n\n".join(parts)


def _facts(answer: StatusAnswer, paint: render.Paint, now: datetime) -> Iterator[tuple[str, str]]:
    yield "coordinator", f"{answer.coordinator}, musterd {answer.musterd}"
    yield "started", f"{render.since(answer.started, now)} ago"
    yield "ready", "yes" if answer.ready else paint("not yet", "yellow")
    yield "listening", _hearing(answer, paint)
    yield "staleness", _brief(answer.staleness)
    yield "store", answer.store
    yield "registry", _registry(answer, paint)
    for peer in answer.peers:
        seen = ", ".join(f"{count} {state}" for state, count in peer.states.items() if count)
        differs = paint(" (counts differ)", "yellow") if peer.differs else ""
        yield "beside it", f"{peer.coordinator}, {_brief(peer.age)} ago: {seen}{differs}"
    if answer.quarantined:
        rows = render.count(answer.quarantined, "row")
        yield "left out", f"{rows} that it could not keep or read, see the log"
    counts = (
        f"{answer.states.get(state, 0)} {state}" for state in State if answer.states.get(state)
    )
    groups = render.count(answer.groups, "group")
    rest = ""
    if answer.not_seated:
        rest = f"; {render.count(answer.not_seated, 'newcomer')} found no room"
    yield "members", f"{answer.members} in {groups}: {', '.join(counts) or 'none'}{rest}"
    marked = [f"{count} {mark.replace('_', ' ')}" for mark, count in answer.marks.items() if count]
    if marked:
        yield "of these", ", ".join(marked)
    yield "down after", _down_after(answer)
    if answer.signatures != "off":
        yield "signatures", _signatures(answer, paint)
    yield "sweeps", f"every {answer.sweep_period:g} s"


def _registry(answer: StatusAnswer, paint: render.Paint) -> str:
    said = [answer.registry]
    if not answer.registry_ok:
        age = answer.facts_age
        old = "" if age is None else f"; orders as of {render.age(age)} ago"
        said.append(paint(f"lost: {answer.registry_reason or 'it does not answer'}{old}", "red"))
    if answer.unsaved:
        said.append(f"{render.count(answer.unsaved, 'change')} not written yet")
    return ", ".join(said)


def _down_after(answer: StatusAnswer) -> str:
    text = f"{answer.service_down_time:g} s of silence"
    if not answer.judged_later:
        return text
    return (
        f"{text}; {render.count(answer.judged_later, 'member')} after a silence of their own,"
        f" the last after {answer.latest_down_after:g} s"
    )


def _signatures(answer: StatusAnswer, paint: render.Paint) -> str:
    text = {"accept": "checked where there are any", "require": "required"}[answer.signatures]
    if answer.signatures == "accept":
        members = render.count(answer.beating_unsigned, "member")
        colour = "yellow" if answer.beating_unsigned else "green"
        text += paint(f"; {members} without one", colour)
    if answer.with_old_key:
        old = render.count(answer.with_old_key, "member")
        text += paint(f"; {old} signed with the key before the current one", "yellow")
    return text


def _hearing(answer: StatusAnswer, paint: render.Paint) -> str:
    text = _listening(answer.listening, paint)
    if answer.uncovered:
        text += paint(f"; {answer.uncovered} members are heard nowhere", "red")
    if answer.redundancy_lost:
        text += paint(f"; redundancy lost on {', '.join(answer.redundancy_lost)}", "yellow")
    return text


def _listening(listening: bool, paint: render.Paint) -> str:
    return paint("yes", "green") if listening else paint("no", "red")


def _brief(seconds: float | None) -> str:
    """Return a short duration: ``1.2 ms``, ``0.8 s``; ``-`` for None."""
    if seconds is None:
        return "-"
    if seconds < 0.1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else render.age(seconds)


def _shards(shards: Sequence[ShardStatus], paint: render.Paint, now: datetime) -> str:
    headers = (
        "SHARD",
        "LISTENING",
        "FOR",
        "MEMBERS",
        "BEATS",
        "CANARY",
        "SWEEP",
        "UNPROVEN",
        "WHY",
    )
    rows = (
        [
            one.shard,
            _listening(one.listening, paint),
            render.since(one.since, now),
            one.members,
            one.beats,
            _brief(one.canary_seconds),
            _brief(one.sweep_seconds),
            f"{one.unproven_sweeps} of {one.sweeps}",
            _why(one),
        ]
        for one in shards
    )
    return render.table(headers, rows, "no shards")


def _why(shard: ShardStatus) -> str:
    rejected = [
        f"{count} records rejected for {what}" for what, count in shard.rejected.items() if count
    ]
    if shard.challenges_put_back:
        times = render.count(shard.challenges_put_back, "time")
        rejected.append(f"the challenge was overwritten {times}")
    return "; ".join([*([] if shard.listening else [shard.reason]), *rejected])


def _held(holds: Sequence[Hold], now: datetime) -> str:
    headers = ("HELD BACK", "IN", "MEMBERS", "FOR", "UNTIL", "WHY")
    rows = (
        [
            one.kind,
            one.scope or "-",
            one.members,
            render.since(one.since, now),
            "-" if one.until is None else f"in {render.since(now, one.until)}",
            one.reason,
        ]
        for one in holds
    )
    return render.table(headers, rows)


def _storms(storms: Sequence[StormStatus], now: datetime) -> str:
    headers = ("MASS SILENCE IN", "ZONE", "SILENT", "FOR", "COUNTS IN")
    rows = (
        [
            one.group,
            one.zone or "-",
            f"{one.silent} of {one.living}",
            render.since(one.since, now),
            render.age(one.ends_in),
        ]
        for one in storms
    )
    return render.table(headers, rows)
