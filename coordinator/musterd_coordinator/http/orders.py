"""Who may order, and how often: each order is written to disk, for ever and in every log."""

from collections.abc import Callable

import structlog

from musterd_coordinator.http.exchange import Request
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.rates import Pace, Repeats

log = structlog.get_logger(__name__)


class Orders:
    """The door for orders."""

    def __init__(self, pace: Pace, gauges: HttpGauges, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._gauges = gauges
        self._repeats = Repeats(clock)

    def check(self, request: Request) -> None:
        """Raise the Problem that keeps this order out."""
        self._refuse_browsers(request)
        if wait := self._pace.wait(request.whose):
            self._refused("rate", request)
            raise Problem(
                429,
                f"too many orders at once; go on in {wait} s",
                headers=((b"retry-after", b"%d" % wait),),
            )

    def _refuse_browsers(self, request: Request) -> None:
        # There is no authentication yet, so a page on any site, or a name rebound to this address,
        # could make an operator's browser write here. Programs send neither header.
        site = request.header(b"sec-fetch-site") or b"none"
        if site != b"none" or request.header(b"origin") is not None:
            self._refused("browser", request)
            raise Problem(
                403,
                "browsers may read but not write here, as there is no authentication yet;"
                " use the musterd command or another program",
            )

    def _refused(self, reason: str, request: Request) -> None:
        self._gauges.refused[reason] += 1
        more = self._repeats.one_more()
        if more is not None:
            log.warning("order refused", reason=reason, caller=request.whose, more=more)
