"""The module has what a coordinator says of itself, its groups and its incidents: no I/O, and no members."""

from collections.abc import Callable
from math import inf

import msgspec

from musterd.client.view import Event
from musterd.errors import CoordinatorError
from musterd.status import EventStatus

_status = msgspec.json.Decoder(EventStatus).decode


class _Health(msgspec.Struct, frozen=True):
    """A ``_Health`` is what any event with an id may say of how good it is."""

    listening: bool | None = None
    staleness: float | None = None


_health = msgspec.json.Decoder(_Health).decode


class StatusView:
    """A ``StatusView`` has what the newest event ``status`` said, of all groups or of one.

    ``said`` is None until there was one; ``on_status`` is called when there is another.
    """

    form = "columns"

    def __init__(
        self, group: str | None = None, on_status: Callable[[], None] = lambda: None
    ) -> None:
        self.group = group
        self.said: EventStatus | None = None
        self.listening = False
        self.staleness: float | None = None
        self.resume = ""
        self._on_status = on_status

    @property
    def whole(self) -> bool:
        """Say whether anything was said yet."""
        return self.said is not None

    def restart(self, oldest: float = inf) -> None:
        """Begin with a new connection, on which all is said anew."""

    def apply(self, event: Event) -> None:
        """Take in one event; raise CoordinatorError if it makes no sense. Others are passed over."""
        try:
            self._apply(event)
        except msgspec.MsgspecError as error:
            raise CoordinatorError(f"an event {event.name!r} that is not valid: {error}") from None
        if event.id:
            self.resume = event.id

    def _apply(self, event: Event) -> None:
        if event.name == "status":
            self.said = _status(event.data)
            self._on_status()
        elif event.name in ("ping", "columns"):
            said = _health(event.data)
            if said.listening is not None:
                self.listening, self.staleness = said.listening, said.staleness
