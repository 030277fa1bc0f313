"""The API counts its own work here, for the metrics."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

from starlette.routing import Route

from musterd_coordinator.histogram import Histogram
from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.limits import Room

ANSWER_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
LOOP_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)

_WHY = ("missing", "malformed", "unknown", "revoked", "expired", "role", "group")


@dataclass
class HttpGauges:
    """An `HttpGauges` counts answers by HTTP status, and what was refused by why it was.

    ``refused`` are orders that came too fast or from a browser, and ``requests_refused`` what came
    without a token that may ask or order it. ``routes`` have the seconds from the head of a request until
    an answer begins, by method and path as documented: what matches no route has neither. ``loop`` has
    how late the event loop was, ``streamed`` counts bytes of events, and ``snapshots`` how often a reader
    had to be told of all members.
    """

    door: Door[Hashable]
    room: Room
    routes: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    loop: Histogram = field(default_factory=lambda: Histogram(LOOP_BOUNDS))
    streamed: int = 0
    snapshots: int = 0
    answered: Counter[int] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=lambda: Counter({"rate": 0, "browser": 0}))
    requests_refused: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(_WHY, 0)))

    def count_answer(self, status: int, route: Route | None, seconds: float) -> None:
        """Count an answer that began after so many ``seconds``."""
        self.answered[status] += 1
        of = (getattr(route, "method", ""), route.path) if route is not None else ("", "")
        if (measured := self.routes.get(of)) is None:
            measured = self.routes[of] = Histogram(ANSWER_BOUNDS)
        measured.observe(seconds)
