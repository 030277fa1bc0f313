"""The API counts its own work here, for the metrics."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.limits import Room


@dataclass
class HttpGauges:
    """An `HttpGauges` counts answers by HTTP status, and ``refused`` orders by why they were refused."""

    door: Door[Hashable]
    room: Room
    answered: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=lambda: Counter({"rate": 0, "browser": 0}))
