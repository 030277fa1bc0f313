"""The handlers of the history of many members."""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from musterd_coordinator.http.answers import StructResponse
from musterd_coordinator.http.inputs import read_parameters
from musterd_coordinator.http.login import Login
from musterd_coordinator.http.parameters import (
    BucketsParameters,
    HistoryPageParameters,
    PastParameters,
)
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.shares import holder_of
from musterd_coordinator.service.contract import CoordinatorApi

WAITING = 32
"""Questions that wait at most. One at a time is asked of the registry, which has orders to take."""


class HindsightApi:
    """A `HindsightApi` has the handlers."""

    def __init__(self, desk: CoordinatorApi, login: Login) -> None:
        self._desk = desk
        self._login = login
        self._turns = Turns(WAITING)

    async def page(self, request: Request) -> Response:
        asked = read_parameters(request.scope["query_string"], HistoryPageParameters)
        whom = asked.asked(self._group_of(request, asked))
        async with self._turns.turn(holder_of(request.client)):
            return StructResponse(await self._desk.history_page(whom, asked.before, asked.limit))

    async def buckets(self, request: Request) -> Response:
        asked = read_parameters(request.scope["query_string"], BucketsParameters)
        whom = asked.asked(self._group_of(request, asked))
        async with self._turns.turn(holder_of(request.client)):
            return StructResponse(await self._desk.history_buckets(whom, asked.step))

    def _group_of(self, request: Request, asked: PastParameters) -> str | None:
        group = None if asked.group is UNSET else asked.group
        return self._login.group_of(request.scope, request.scope["caller"], group)
