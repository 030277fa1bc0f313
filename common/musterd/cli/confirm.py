"""``musterd confirm-silence`` says that members which a mass silence holds are dead indeed."""

from collections.abc import Sequence

from musterd.cli import ask, complain
from musterd.cli.arguments import Parser, add_any_members, add_group, add_json
from musterd.cli.arguments import parser as new_parser
from musterd.cli.many import add_whom, give, reason_of
from musterd.cli.selecting import selector_of
from musterd.errors import Conflict, CoordinatorError, CoordinatorUnreachable, NotFound
from musterd.orders import GroupOrder
from musterd.settings.options import Role

_OUT_OF_REACH = 3


def parser(name: str) -> Parser:
    """Return the command line of ``musterd confirm-silence``."""
    example = 'musterd confirm-silence compute --zone rack-12 --reason "PDU burnt"'
    made = new_parser(name, example, Role.READER)
    add_group(made)
    add_any_members(made)
    add_whom(made)
    made.add_argument("--reason", default="", help="Why, for whoever looks later.")
    add_json(made)
    return made


def run(name: str, argv: Sequence[str]) -> int:
    """Confirm it at each coordinator that is named: each holds for itself.

    Returns 0, 1 where there is nobody to confirm, or 3 where a coordinator could not be asked: the
    others were.
    """
    args = parser(name).parse(argv)
    selector, order = selector_of(args), GroupOrder(confirm_silence=True, reason=reason_of(args))
    worst = 0
    for url, client in ask.clients(args):
        try:
            worst = max(worst, give(client, args, order, selector))
        except (NotFound, Conflict) as error:
            complain(f"{url}: {error}")
            worst = max(worst, 1)
        except (CoordinatorError, CoordinatorUnreachable) as error:
            complain(f"{url}: {error}")
            worst = _OUT_OF_REACH
    return worst
