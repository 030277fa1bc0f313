"""``musterd incidents`` says what needs attention, and what to do next."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from textwrap import wrap

from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.incidents import Incident, IncidentKind, IncidentList
from musterd.settings.options import Role

_INDENT = "  "
_NARROWEST = 20  # columns below which no line is wrapped
_YELLOW = (
    *(IncidentKind.MASS_SILENCE, IncidentKind.SLOW_SWEEPS),
    *(IncidentKind.REDUNDANCY_LOST, IncidentKind.FORCED_DOWN),
)


def parser(name: str) -> Parser:
    """Return the command line of ``musterd incidents``."""
    made = new_parser(name, "musterd incidents --parts", Role.READER)
    made.add_argument(
        "--parts", action="store_true", help="List what is told as one where it is many, too."
    )
    made.add_argument(
        "--resolved", action="store_true", help="List what was over within the last hour, too."
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Say what needs attention, the worst first; return 0."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.incidents()
    if args.json:
        ask.print_json(answer)
        return 0
    shown, width = ask.readable(answer), render.terminal_width()
    for line in lines(shown, render.paint(), width, parts=args.parts, resolved=args.resolved):
        print(line)
    return 0


def lines(
    answer: IncidentList,
    paint: render.Paint,
    width: int | None = None,
    *,
    parts: bool = False,
    resolved: bool = False,
) -> Iterator[str]:
    """Yield lines of at most ``width`` columns, but for commands: these are there to be copied."""
    if not answer.incidents:
        yield paint("nothing needs attention", "green")
    for one in answer.incidents:
        yield from _told(one, answer.at, paint, width)
        for part in one.parts if parts else ():
            yield from _wrapped(f"- {part.what}, for {_lasted(part, answer.at)}", width, _INDENT)
        yield ""
    if answer.resolved and not resolved:
        over = render.count(len(answer.resolved), "incident")
        yield from _wrapped(f"{over} resolved within the last hour: see --resolved", width)
    for one in answer.resolved if resolved else ():
        ago = render.age((answer.at - (one.until or answer.at)).total_seconds())
        text = f"resolved {ago} ago, after {_lasted(one, answer.at)}: {one.what}"
        yield from _wrapped(text, width)


def _told(one: Incident, at: datetime, paint: render.Paint, width: int | None) -> Iterator[str]:
    kind = one.kind.replace("_", " ").upper()
    head = list(_wrapped(f"{kind}: {one.what}", width))
    yield head[0].replace(kind, paint(kind, "yellow" if one.kind in _YELLOW else "red"), 1)
    yield from (f"{_INDENT}{line}" for line in head[1:])
    yield from _wrapped(_details(one, at), width, _INDENT)
    yield from _wrapped(one.next, width, _INDENT)
    yield f"{_INDENT}$ {one.command}"


def _details(one: Incident, at: datetime) -> str:
    text = f"for {_lasted(one, at)}"
    if one.newest is not None and one.newest > one.since:
        text += f", the newest for {render.since(one.newest, at)}"
    if one.members:
        more = one.count - len(one.members)
        text += f": {', '.join(one.members)}" + (f" and {more} more" if more > 0 else "")
    return text


def _lasted(one: Incident, at: datetime) -> str:
    return render.age(((one.until or at) - one.since).total_seconds())


def _wrapped(text: str, width: int | None, indent: str = "") -> Iterator[str]:
    """Yield ``text`` in lines of at most ``width`` columns, names unbroken."""
    if width is None or width < _NARROWEST:
        yield indent + text
        return
    room = width - len(_INDENT)
    yield from (
        indent + line for line in wrap(text, room, break_long_words=False, break_on_hyphens=False)
    )
