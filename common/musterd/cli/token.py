"""``musterd token`` makes, lists and revokes the tokens of a coordinator's API.

They are in the registry, which it opens by itself, so that there may be one before the first start. A
coordinator that is named, or that has the registry's file to itself, does the same over HTTP.
"""

import argparse
import os
import pwd
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from musterd.cli import COMMANDS, ask, render
from musterd.cli.arguments import (
    Parser,
    about,
    add_env_file,
    add_json,
    add_options,
    number,
    settings_of,
    take_options,
)
from musterd.errors import ConfigError, CoordinatorUnreachable, RegistryInUse
from musterd.orders import ANONYMOUS, Origin
from musterd.settings.login import token_of
from musterd.settings.options import Number, Role
from musterd.settings.sources import Loaded
from musterd.tokens import (
    MOST_DAYS,
    NewToken,
    Rank,
    TokenFacts,
    TokenList,
    TokenOrder,
    check_token_order,
)

_VERBS = {
    "create": (
        "make a token, and print it once",
        "musterd token create --name ci --role operator --groups compute --days 90",
    ),
    "list": ("list all tokens, without their secrets", "musterd token list"),
    "revoke": ("let a token be good for nothing any more", "musterd token revoke ci"),
}
_SQLITE = "sqlite:///"


class Office(Protocol):
    """An ``Office`` manages tokens: a coordinator over HTTP, or the registry itself."""

    async def tokens(self) -> TokenList: ...
    async def create_token(self, order: TokenOrder) -> NewToken: ...
    async def revoke_token(self, name: str) -> TokenFacts: ...


class Where(Protocol):
    """A ``Where`` opens an office, and says where it is."""

    def __call__(self) -> AbstractAsyncContextManager[tuple[Office, str]]: ...


def parser(name: str) -> Parser:
    """Return the command line of ``musterd token``."""
    examples = "\n  ".join(example for _, example in _VERBS.values())
    made = Parser(**about(name, COMMANDS[name].summary, examples))
    verbs = made.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, (summary, example) in _VERBS.items():
        its = verbs.add_parser(verb, help=summary, **about(f"{name} {verb}", summary, example))
        if verb == "create":
            _take_order(its)
        elif verb == "revoke":
            its.add_argument("token_name", metavar="NAME", help="the token's name")
        take_options(its, Role.READER)
        add_options(its, "registry")
        add_env_file(its)
        add_json(its)
    return made


def _take_order(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--name", dest="token_name", metavar="NAME", required=True, help="Who, or what, it is for."
    )
    made.add_argument(
        "--role",
        dest="token_role",
        choices=[rank.value for rank in Rank],
        required=True,
        help="A reader asks; an operator orders, too; an admin manages tokens, too, and may forget"
        " members by force.",
    )
    made.add_argument(
        "--days",
        type=number(Number(0.001, float(MOST_DAYS), "days")),
        metavar="N",
        help="Days after which it expires. Default: never.",
    )
    made.add_argument(
        "--groups",
        dest="token_groups",
        default="",
        metavar="G,…",
        help="It sees these groups alone, and orders in these alone. Default: all.",
    )


def run(name: str, argv: Sequence[str]) -> int:
    """Make, list or revoke tokens; return 0, or 1 when a name is taken or unknown."""
    args = parser(name).parse(argv)
    loaded = settings_of(args)
    work = _WORK[args.verb]
    import anyio

    if asks_coordinator(loaded):
        return anyio.run(_do, work, args, partial(_coordinator, loaded))
    if args.verb != "create":
        _refuse_no_registry(loaded.settings.registry_url)
    with suppress(RegistryInUse):
        return anyio.run(_do, work, args, partial(_registry, loaded))
    return _ask_its_holder(work, args, loaded)


def asks_coordinator(loaded: Loaded) -> bool:
    """Say whether a coordinator is to do it: it was named here, or is all that the settings name."""
    named = loaded.sources["coordinator"]
    registry = loaded.sources["registry"], loaded.sources["store"]
    return named.startswith("--") or (named != "default" and registry == ("default", "default"))


def _refuse_no_registry(url: str) -> None:
    file = url.removeprefix(_SQLITE)
    if url.startswith(_SQLITE) and not Path(file).exists():
        raise ConfigError(
            f"there is no registry {Path(file).absolute()}, and so no token: name another one with"
            " --registry, or a coordinator with --coordinator"
        )


def _ask_its_holder(work: "_Work", args: Namespace, loaded: Loaded) -> int:
    import anyio

    try:
        return anyio.run(_do, work, args, partial(_coordinator, loaded))
    except CoordinatorUnreachable as error:
        raise CoordinatorUnreachable(
            f"a coordinator has the registry {loaded.settings.registry_url} to itself, and has to do it:"
            f" {error}, with --coordinator"
        ) from None


@asynccontextmanager
async def _coordinator(loaded: Loaded) -> AsyncIterator[tuple[Office, str]]:
    from musterd.client import AsyncClient

    url = loaded.settings.coordinator
    async with AsyncClient(url, ask.TIMEOUT, token=token_of(loaded)) as client:
        yield client, url


@asynccontextmanager
async def _registry(loaded: Loaded) -> AsyncIterator[tuple[Office, str]]:
    from musterd import log
    from musterd_coordinator.service.token_office import token_office

    settings, origin = loaded.settings, Origin(_my_name())
    log.configure("warning", settings.log_format)  # what it does is said here
    opened = token_office(settings.registry_url, settings.namespace, ask.TIMEOUT, origin)
    try:
        async with opened as office:
            yield office, office.registry
    finally:
        log.flush()


def _my_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # such as in a container
        return f"uid {os.getuid()}"


async def _do(work: "_Work", args: Namespace, where: Where) -> int:
    async with where() as (office, place):
        await work(office, args, place)
    return 0


async def _create(office: Office, args: Namespace, place: str) -> None:
    groups = tuple(filter(None, (group.strip() for group in args.token_groups.split(","))))
    order = TokenOrder(args.token_name, Rank(args.token_role), groups, args.days)
    made = await office.create_token(check_token_order(order))
    if args.json:
        ask.print_json(made)
    else:
        print(made.text)
    print(
        f"musterd: token {described(made.token)}, in {place}; it is shown this once",
        file=sys.stderr,
    )
    if note := note_on(made.token):
        print(f"musterd: note: {note}", file=sys.stderr)


def note_on(token: TokenFacts) -> str:
    """Return what to think of where nobody was asked for a token, and one is from now on."""
    if token.created_by != ANONYMOUS or token.role is Rank.ADMIN:
        return ""
    return (
        "from now on a token is asked for, and none of an admin was made: make one with --registry"
    )


async def _list(office: Office, args: Namespace, place: str) -> None:
    answer = await office.tokens()
    if args.json:
        ask.print_json(answer)
    else:
        print(text(ask.readable(answer), render.paint()))


async def _revoke(office: Office, args: Namespace, place: str) -> None:
    token = await office.revoke_token(args.token_name)
    if args.json:
        ask.print_json(token)
    else:
        print(f"{token.name}: revoked, in {place}")


_Work = Callable[[Office, Namespace, str], Awaitable[None]]
_WORK: Mapping[str, _Work] = {"create": _create, "list": _list, "revoke": _revoke}


def described(token: TokenFacts) -> str:
    """Say in words what a token is good for."""
    of = f" of {', '.join(token.groups)}" if token.groups else ""
    until = f", until {render.moment(token.expires)}" if token.expires else ""
    return f"{token.name}: {token.role}{of}{until}"


def text(answer: TokenList, paint: render.Paint) -> str:
    """Return one line a token."""
    headers = ("NAME", "ROLE", "ID", "CREATED", "BY", "STATE", "GROUPS")
    rows = [
        [
            *(one.name, one.role.value, one.id, render.moment(one.created), one.created_by or "-"),
            *(state_of(one, paint), ", ".join(one.groups) or "all"),
        ]
        for one in answer.tokens
    ]
    return render.table(headers, rows, "no tokens: nobody is asked for one")


def state_of(token: TokenFacts, paint: render.Paint) -> str:
    """Say whether a token is good, by the clock of whoever reads this, and until when."""
    if token.revoked is not None:
        return paint(f"revoked {render.moment(token.revoked)}", "grey")
    if token.expires is None:
        return paint("good", "green")
    if token.expires <= render.now():
        return paint(f"expired {render.moment(token.expires)}", "grey")
    return paint(f"good until {render.moment(token.expires)}", "green")
