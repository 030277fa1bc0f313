"""The API counts its own work here, for the metrics."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.limits import Room

_WHY = ("missing", "malformed", "unknown", "revoked", "expired", "role", "group")


@dataclass
class HttpGauges:
    """An `HttpGauges` counts answers by HTTP status, and what was refused by why it was.

    ``refused`` are orders that came too fast or from a browser, and ``requests_refused`` what came
    without a token that may ask or order it.
    """

    door: Door[Hashable]
    room: Room
    answered: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=lambda: Counter({"rate": 0, "browser": 0}))
    requests_refused: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_WHY, 0)))
