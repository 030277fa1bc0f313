"""The handlers for tokens. Only an admin comes here."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from musterd.errors import NotFound
from musterd.tokens import TokenOrder
from musterd_coordinator.http.answers import StructResponse
from musterd_coordinator.http.inputs import FACTS_BYTES, read_json
from musterd_coordinator.http.limits import Room
from musterd_coordinator.http.orders import Orders
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.service.access import Access

_order_decoder = msgspec.json.Decoder(TokenOrder)


class TokenApi:
    """A `TokenApi` has these handlers."""

    def __init__(self, access: Access, room: Room, orders: Orders) -> None:
        self._access = access
        self._room = room
        self._orders = orders

    async def tokens(self, request: Request) -> Response:
        return StructResponse(self._access.tokens())

    async def create(self, request: Request) -> Response:
        origin = self._orders.check(request)
        order = await read_json(request, _order_decoder, FACTS_BYTES, self._room)
        return StructResponse(await self._access.create(order, origin))

    async def revoke(self, request: Request) -> Response:
        origin = self._orders.check(request)
        try:
            return StructResponse(await self._access.revoke(request.path_params["name"], origin))
        except NotFound as error:  # whatever is known of members
            raise Problem(404, str(error)) from None
