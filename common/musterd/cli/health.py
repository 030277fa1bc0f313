"""``musterd health`` says for a probe whether coordinators, or agents of this host, are well."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from musterd.agentfile import boot_clock, faults_in
from musterd.cli import ask, render
from musterd.cli.arguments import Parser, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.errors import CoordinatorError, CoordinatorUnreachable
from musterd.settings.options import Role
from musterd.status import StatusAnswer
from musterd.terminal import visible

if TYPE_CHECKING:
    from musterd.client import Client


class Health(msgspec.Struct, frozen=True):
    """A ``Health`` is what a probe is told of one program, and why it is not well."""

    of: str
    well: bool
    why: list[str]


def parser(name: str) -> Parser:
    """Return the command line of ``musterd health``."""
    example = (
        "musterd health --coordinator http://127.0.0.1:8420\n"
        "  musterd health --agent /run/musterd-agent/musterd.prom"
    )
    made = new_parser(name, example, Role.READER)
    made.add_argument(
        "--agent",
        dest="agents",
        metavar="FILE",
        type=Path,
        action="append",
        help="Look at the agent of this host whose metrics_file this is, and not at coordinators.",
    )
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Print a line for each coordinator, or agent, that is named; return 0 if all are well, else 1."""
    args = parser(name).parse(argv)
    if args.agents:
        found = [agent_health(file, boot_clock()) for file in args.agents]
    else:
        found = [health_of(url, client) for url, client in ask.clients(args)]
    if args.json:
        ask.print_json(found)
    else:
        print("\n".join(map(_line, found)))
    return 0 if all(one.well for one in found) else 1


def health_of(url: str, client: "Client") -> Health:
    """Ask one coordinator; one that does not answer, or not as one, is not well."""
    try:
        why = list(faults(client.status()))
    except (CoordinatorUnreachable, CoordinatorError) as error:
        why = [str(error)]
    return Health(url, not why, why)


def agent_health(file: Path, now: float) -> Health:
    """Say how the agent is that wrote ``file``; one that removed it, or wrote none lately, is not well.

    ``now`` is the present by :func:`~musterd.agentfile.boot_clock`.
    """
    try:
        why = list(faults_in(file.read_text(encoding="utf-8"), now))
    except FileNotFoundError:
        why = ["no agent writes this file: it does not run, or has another metrics_file"]
    except (OSError, UnicodeDecodeError) as error:
        why = [f"it cannot be read: {error}"]
    return Health(str(file), not why, why)


def faults(answer: StatusAnswer) -> Iterator[str]:
    """Yield why the verdicts of a coordinator are not to be relied on; nothing if they are.

    That a shard of several is away, a mass silence, or a death is no such reason: it does its work.
    """
    if not answer.ready:
        yield "it has not listened for long enough to answer"
    if not answer.listening:
        hearing = render.count(answer.uncovered, "member")
        yield f"it does not hear its whole store: {hearing} without a shard that listens"
    if not answer.registry_ok:
        yield f"its registry is lost: {answer.registry_reason or 'it does not answer'}"


def _line(found: Health) -> str:
    return visible(f"{found.of}: {'; '.join(found.why) or 'well'}")
