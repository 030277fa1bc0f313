"""``musterd show`` shows everything about one member."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from musterd.answers import MemberAnswer
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd show``."""
    made = new_parser(name, "musterd show compute host-0042", Role.READER)
    add_group(made)
    add_members(made, several=False)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Show one member; return 0. Raises NotFound when there is none of that name."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.member(args.group_name, args.member_name)
        known = client.group(args.group_name)
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint(), render.now()))
    ask.note_staleness(known.listening, known.staleness)
    return 0


def text(member: MemberAnswer, paint: render.Paint, now: datetime) -> str:
    """Return one line a fact."""
    return render.facts(_facts(member, paint, now))


def _facts(member: MemberAnswer, paint: render.Paint, now: datetime) -> Iterator[tuple[str, str]]:
    yield "member", f"{member.group}/{member.member}"
    yield "state", f"{render.stated(member, paint)} for {render.since(member.since, now)}"
    if member.forced_down:
        yield "its beats say", render.state_text(member.observed, paint)
    yield "because", member.reason or "-"
    yield "up", f"{_painted(member.up, member.up, paint)} (may I talk to it?)"
    may = _painted(member.schedulable, member.schedulable, paint)
    yield "schedulable", f"{may} (may I place work on it?)"
    yield "down", f"{_painted(member.down, not member.down, paint)} (may I evacuate it?)"
    for mark in render.marks(member):
        yield "note", paint(mark, "yellow")
    limit = f" of {render.age(member.down_after)}" if member.down_after else ""
    yield "silent for", f"{render.age(member.silent_for)}{limit} of listening, {_rhythm(member)}"
    yield "incarnation", member.incarnation or "-"
    yield "zone", member.zone or "-"
    yield "owner", member.owner or "-"
    for name, value in sorted(member.metadata.items()):
        yield f"metadata {name}", value


def _rhythm(member: MemberAnswer) -> str:
    return f"beats every {member.interval:g} s" if member.interval else "never beat"


def _painted(answer: bool, well: bool, paint: render.Paint) -> str:
    return yes(answer) if well else paint(yes(answer), "red")


def yes(answer: bool) -> str:
    """Return ``yes`` or ``no``."""
    return "yes" if answer else "no"
