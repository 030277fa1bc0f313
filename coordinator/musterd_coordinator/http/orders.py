"""Not everybody may order, and not without end: each order is written to disk, and into every log."""

from collections.abc import Callable

import structlog
from starlette.requests import Request

from musterd.orders import Origin
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.login import origin_of
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.limits.rates import Pace, Repeats
from musterd_coordinator.limits.shares import holder_of

MEMBERS_OF_ONE = 20
"""So many members of one order for many count as one order: all they cost is a line of history each."""

log = structlog.get_logger(__name__)


class Orders:
    """An `Orders` is the door for orders."""

    def __init__(self, pace: Pace, gauges: HttpGauges, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._gauges = gauges
        self._repeats = Repeats(clock)

    def check(self, request: Request) -> Origin:
        """Return whose order it is; raise the Problem that keeps it out."""
        self._refuse_browsers(request)
        if wait := self._pace.retry_after(holder_of(request.client)):
            self._refused("rate", request)
            raise Problem(
                429,
                f"too many orders at once; go on in {wait} s",
                headers={"retry-after": str(wait)},
            )
        return origin_of(request.scope)

    def charge(self, request: Request, members: int) -> None:
        """Note for how many ``members`` an order was that was let in."""
        self._pace.charge(holder_of(request.client), members / MEMBERS_OF_ONE)

    def _refuse_browsers(self, request: Request) -> None:
        # Where no token is asked for, a page on any site, or a name rebound to this address, could make
        # an operator's browser write here. Programs send neither header.
        site = request.headers.get("sec-fetch-site", "none")
        if site != "none" or "origin" in request.headers:
            self._refused("browser", request)
            raise Problem(
                403,
                "browsers may read but not write here: use the musterd command or another program",
            )

    def _refused(self, reason: str, request: Request) -> None:
        self._gauges.refused[reason] += 1
        more = self._repeats.one_more()
        if more is not None:
            log.warning("order refused", reason=reason, caller=holder_of(request.client), more=more)
