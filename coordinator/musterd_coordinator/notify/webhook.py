"""A webhook gets each message as a POST of its own, and may know by a key who sent it."""

import hmac
from collections.abc import Sequence
from math import inf

import msgspec

from musterd_coordinator.notify.endpoint import DEADLINE, Poster
from musterd_coordinator.notify.matters import Message

SIGNATURE = "Musterd-Signature"

_encode = msgspec.json.Encoder().encode


class Webhook:
    """A `Webhook` is an endpoint at a URL; ``key`` signs what is sent there, where there is one."""

    batch = 1
    repeat = inf

    def __init__(
        self, url: str, key: str | None, ca_file: str | None, deadline: float = DEADLINE
    ) -> None:
        self._poster = Poster(url, ca_file, deadline)
        self._key = key
        self.name = self._poster.name

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Send them, one after the other."""
        for message in messages:
            body = _encode(message)
            await self._poster.post(body, signed(body, self._key))


def signed(body: bytes, key: str | None) -> list[tuple[str, str]]:
    """Return the header that says who sent ``body``: HMAC-SHA256 of just these bytes."""
    if key is None:
        return []
    return [(SIGNATURE, f"sha256={hmac.new(key.encode(), body, 'sha256').hexdigest()}")]
