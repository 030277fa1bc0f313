"""``musterd groups`` lists the groups, with counts by state."""

from collections.abc import Sequence

from musterd.answers import GroupList
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.model import State
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd groups``."""
    made = new_parser(name, "musterd groups", Role.READER)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """List the groups; return 0."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.groups()
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint()))
    ask.note_staleness(answer.listening, answer.staleness)
    return 0


def text(answer: GroupList, paint: render.Paint) -> str:
    """Return one line a group."""
    headers = ["GROUP", "MEMBERS", *(state.value.upper() for state in State), "PLACEABLE", "NOTES"]
    rows = (
        [
            *(one.group, one.members),
            *(render.state_count(state, one.states.get(state, 0), paint) for state in State),
            one.verdicts.get("schedulable", "-"),
            ", ".join(
                f"{count} {mark.replace('_', ' ')}" for mark, count in one.marks.items() if count
            ),
        ]
        for one in answer.groups
    )
    return render.table(headers, rows, "no groups yet: no agent has joined one")
