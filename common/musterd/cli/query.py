"""``musterd query`` says whether members are up."""

from collections.abc import Sequence

from musterd.answers import QueryAnswer
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_group, add_json, add_members
from musterd.cli.arguments import parser as new_parser
from musterd.model import Verdict
from musterd.settings.options import Role


def parser(name: str) -> Parser:
    """Return the command line of ``musterd query``."""
    made = new_parser(name, "musterd query compute host-0041 host-0042 && deploy", Role.READER)
    add_group(made)
    add_members(made, several=True)
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print a verdict on each member; return 0 if all are up, else 1."""
    args = parser(name).parse(argv)
    with ask.client(args) as client:
        answer = client.query(args.group_name, args.member_names)
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), args.member_names, render.paint()))
    ask.note_staleness(answer.listening, answer.staleness)
    return 0 if all_up(answer) else 1


def all_up(answer: QueryAnswer) -> bool:
    """Say whether every member that was asked about exists and is up."""
    return not answer.not_found and all(one.up for one in answer.members.values())


def text(answer: QueryAnswer, names: Sequence[str], paint: render.Paint) -> str:
    """Return one line a name, in the order asked."""
    rows = ([name, verdict_text(answer.members.get(name), paint)] for name in dict.fromkeys(names))
    return render.table(("MEMBER", "VERDICT"), rows)


def verdict_text(verdict: Verdict | None, paint: render.Paint) -> str:
    """Put the verdict in words: ``up``, ``up, not schedulable``, ``forced down, though …``."""
    if verdict is None:
        return paint("not found", "red")
    state = render.state_text(verdict.state, paint)
    if verdict.up:
        return state if verdict.schedulable else f"{state}, not schedulable"
    if verdict.state.value in ("up", "suspect"):
        return f"{paint('forced down', 'red')}, though its beats say {state}"
    return state
