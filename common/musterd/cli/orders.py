"""The commands that give orders take many members, and have a word on each."""

import re
from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from musterd.cli import complain
from musterd.cli.ask import client as client_of
from musterd.errors import Conflict, MusterdError, NotFound

if TYPE_CHECKING:
    from musterd.client import Client


def each(args: Namespace, order: Callable[["Client", str], None]) -> int:
    """Give ``order`` for each member that ``args`` name; return 0, or 1 when one was refused.

    One that is refused has a line, and holds up no other. An order that no coordinator could take
    ends the work, and says for which members it was not given.
    """
    status = 0
    names = list(dict.fromkeys(args.member_names))
    with client_of(args) as client:
        for at, member in enumerate(names):
            try:
                order(client, member)
            except (NotFound, Conflict) as error:
                complain(re.sub(r"\b(force it|use force)\b", "use --force", str(error)))
                status = 1
            except MusterdError as error:
                left = f"; not done for {', '.join(names[at:])}" if len(names) > 1 else ""
                raise type(error)(f"{error}{left}") from None
    return status
