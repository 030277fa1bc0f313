"""One order for many members is given at once, and told in a line."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from msgspec.structs import replace

from musterd.cli import ask, complain, render
from musterd.cli.arguments import number
from musterd.cli.selecting import add_everybody, add_selectors
from musterd.errors import ConfigError
from musterd.model import check_text
from musterd.orders import NAMES_LIMIT, ORDER_LIMIT, GroupOrder, OrderAnswer, Selector
from musterd.settings.options import Number

if TYPE_CHECKING:
    from musterd.client import Client

_NAMED = 5


def add_whom(made: ArgumentParser) -> None:
    """Add the options that say for whom an order is, and whether it is meant."""
    add_selectors(made)
    add_everybody(made)
    made.add_argument(
        "--dry-run", action="store_true", help="Say for whom it would be, and do nothing."
    )
    made.add_argument(
        "--expect",
        type=number(Number(0, ORDER_LIMIT)),
        metavar="N",
        help="Do nothing if it is for another number of members.",
    )


def is_for_many(args: Namespace, selector: Selector | None) -> bool:
    """Say whether this is one order for many, and not one for each member that is named."""
    return selector is not None or args.dry_run or args.expect is not None


def give(client: "Client", args: Namespace, order: GroupOrder, selector: Selector | None) -> int:
    """Give ``order`` to whom ``args`` say; return 0, or 1 when there is no such member."""
    if selector is None:
        if len(args.member_names) > NAMES_LIMIT:
            raise ConfigError(f"one order names at most {NAMES_LIMIT} members")
        order = replace(order, members=args.member_names)
    else:
        order = replace(order, selector=selector)
    expect = None if args.expect is None else int(args.expect)
    order = replace(order, dry_run=args.dry_run, expect=expect)
    answer = client.orders(args.group_name, order)
    if args.json:
        ask.print_json(answer, indent=0)
    else:
        print(text(args.group_name, order, ask.readable(answer)), flush=True)
        for name in answer.not_found:
            complain(f"group {args.group_name} has no member {name}")
    return 1 if answer.not_found or not (answer.matched or order.expect == 0) else 0


def text(group: str, order: GroupOrder, answer: OrderAnswer) -> str:
    """Say for how many an order was, and what became of them."""
    if not answer.matched:
        return f"{group}: no such members"
    what, already = done(order), answer.matched - answer.changed
    verb = "would be" if answer.dry_run else "now"
    told = f"{group}: {render.count(answer.changed, 'member')} {verb} {what}"
    if already:
        told += f", {already} {'is' if already == 1 else 'are'} so already"
    if not answer.dry_run:
        return told
    names = answer.members[:_NAMED]
    more = answer.matched - len(names)
    return f"{told}: {', '.join(names)}" + (f" and {more} more" if more else "")


def done(order: GroupOrder) -> str:
    """Put what an order does in words."""
    words = ["taken for dead"] if order.confirm_silence else []
    if order.disabled is not None:
        words.append("disabled" if order.disabled else "enabled")
    if order.forced_down is not None:
        words.append("forced down" if order.forced_down else "no longer forced down")
    return ", ".join(words) + (f": {order.reason}" if order.reason else "")


def reason_of(args: Namespace) -> str:
    """Return the reason that is given; raise ConfigError for one that is unusable."""
    reason: str = getattr(args, "reason", "")
    if reason and not reason.strip():
        raise ConfigError("--reason is blank; give one, or leave the option out")
    return check_text("reason", reason)
