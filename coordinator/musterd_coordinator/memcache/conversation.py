"""A conversation is what a connection of the memcached server needs of either protocol."""

from collections.abc import Callable
from typing import Protocol


class Conversation(Protocol):
    """A `Conversation` is one client's, in one of memcached's protocols; no input or output.

    ``wake`` is called when a reply that had to be waited for is known.
    """

    wake: Callable[[], None]

    @property
    def is_binary(self) -> bool:
        """Say whether the client is hung up on for it speaks the binary protocol."""

    @property
    def closed(self) -> bool:
        """Say whether to hang up."""

    @property
    def held(self) -> int:
        """Return the bytes received and not yet consumed, and those of what waits for an outcome."""

    @property
    def waits(self) -> bool:
        """Say whether an outcome has to be known before anything else is looked at."""

    def feed(self, data: bytes) -> None:
        """Hear ``data``."""

    def glance(self, data: bytes) -> bool:
        """Take ``data`` at once, where that is possible; say whether it was."""

    def answer(self, data: bytes) -> bytes | None:
        """Return the whole reply to ``data``, where that is possible at once."""

    def step(self) -> bytes | None:
        """Return the next part of the replies, perhaps empty; None: nothing to do until more comes."""

    def only_reply(self) -> bytes | None:
        """Return the one reply that was waited for, when nothing else is under way."""

    def abandon(self) -> None:
        """Note that the client is gone."""
