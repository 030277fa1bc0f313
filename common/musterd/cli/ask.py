"""The commands that read share a client, JSON, and a word when answers are old."""

import json
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from musterd.cli.arguments import settings_of
from musterd.cli.streams import can_show
from musterd.settings.login import token_of
from musterd.settings.sources import Loaded
from musterd.terminal import visible
from musterd.urls import without_secret

if TYPE_CHECKING:
    from musterd.client import Client

TIMEOUT = 10.0  # seconds for one answer

T = TypeVar("T")


@contextmanager
def client(args: Namespace) -> Iterator["Client"]:
    """Give a client of the coordinator that ``--coordinator`` names."""
    loaded = settings_of(args)
    with _client_of(loaded, loaded.settings.coordinator) as made:
        yield made


def clients(args: Namespace) -> Iterator[tuple[str, "Client"]]:
    """Yield each coordinator that ``--coordinator`` names, its URL without secrets, and a client of it."""
    loaded = settings_of(args)
    for url in map(str.strip, loaded.settings.coordinator.split(",")):
        with _client_of(loaded, url) as made:
            yield without_secret(url), made


def _client_of(loaded: Loaded, urls: str) -> "Client":
    settings, token = loaded.settings, token_of(loaded)
    from musterd.client import Client  # after a wrong configuration was refused: it is heavy

    files = {key: getattr(settings, key) for key in ("ca_file", "cert_file", "key_file")}
    return Client(urls, TIMEOUT, token=token, **files)


def print_json(answer: Any, *, indent: int = 2) -> None:
    """Print ``answer`` as the HTTP API would give it; ``indent`` 0 keeps it on one line."""
    encoded = msgspec.json.encode(answer)
    text = (msgspec.json.format(encoded, indent=indent) if indent else encoded).decode()
    print(text if can_show(text) else _escaped(text))


def _escaped(text: str) -> str:
    r"""Return the same JSON, with what is not ASCII as ``\u…``."""
    return "".join(one if one.isascii() else json.dumps(one)[1:-1] for one in text)


def readable(answer: T) -> T:
    """Return ``answer`` for people's eyes: no text in it can move a cursor or forge a line.

    Zones, owners, metadata and reasons come from hosts and stores, which anybody may have written
    to. JSON needs none of it: it has escapes of its own.
    """
    shown: T = msgspec.convert(_readable(msgspec.to_builtins(answer)), type(answer))
    return shown


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_readable(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value


def note_staleness(listening: bool, staleness: float | None) -> None:
    """Say on standard error that answers are not fresh, when they are not."""
    if listening:
        return
    from musterd.cli.render import age

    since = "ever since it started" if staleness is None else f"for {age(staleness)}"
    print(
        f"musterd: note: the coordinator has not heard its whole store {since}, so silence counts"
        " against nobody; see musterd status",
        file=sys.stderr,
    )
