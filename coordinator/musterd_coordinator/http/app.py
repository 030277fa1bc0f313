"""The ASGI application is a router of Starlette's, with our routes and middleware around them."""

from collections.abc import Hashable, Sequence
from secrets import token_hex
from time import monotonic, time

import anyio
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Router

from musterd.about import version
from musterd_coordinator.http.answers import StructResponse
from musterd_coordinator.http.api import Api
from musterd_coordinator.http.columns import ColumnFeed
from musterd_coordinator.http.columns_api import ColumnsApi
from musterd_coordinator.http.consul import ConsulDoor
from musterd_coordinator.http.dashboard import dashboard_answer
from musterd_coordinator.http.discovery import Discovery
from musterd_coordinator.http.doors import Door
from musterd_coordinator.http.events import PING_PERIOD, Events
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.heads import HeadCheck, Hosts
from musterd_coordinator.http.hindsight_api import HindsightApi
from musterd_coordinator.http.limits import HttpLimits, Room
from musterd_coordinator.http.login import Login
from musterd_coordinator.http.openapi import describe
from musterd_coordinator.http.orders import Orders
from musterd_coordinator.http.outgoing import Outgoing
from musterd_coordinator.http.routes import no_such_path
from musterd_coordinator.http.table import EVENT_SHAPES, routes
from musterd_coordinator.http.token_api import TokenApi
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.rates import Repeats
from musterd_coordinator.limits.shares import Shares
from musterd_coordinator.service.access import Access, NoShelf
from musterd_coordinator.service.contract import CoordinatorApi


class App(Router):
    """An `App` is the ASGI application over one desk."""

    def __init__(
        self,
        desk: CoordinatorApi,
        access: Access,
        *,
        ping_period: float,
        hosts: Hosts,
        limits: HttpLimits,
        anonymous_read: bool,
        certificates: bool,
        consul_group: str,
        agent_state_groups: Sequence[str],
    ) -> None:
        self.door = Door[Hashable](limits.connections, limits.each)
        self.hosts = hosts
        self.refusals = Repeats(limits.clock)
        self._stopping = anyio.Event()
        run, room, turns = token_hex(4), Room(limits), Turns(limits.heavy)
        gauges = self.gauges = HttpGauges(self.door, room)
        readers = Shares(limits.readers, limits.readers_each)
        feed = ColumnFeed(desk, run, turns)
        events = Events(desk, run, ping_period, readers, turns, feed, gauges=gauges)
        orders = Orders(limits.pace(), gauges, limits.clock)
        self.login = login = Login(
            *(access, gauges, limits.clock),
            anonymous_read=anonymous_read,
            certificates=certificates,
        )
        api = Api(
            *(desk, events, gauges, room, turns, orders),
            login=login,
            stopping=self._stopping,
            agent_state_groups=agent_state_groups,
        )
        tokens = TokenApi(access, room, orders)
        consul = ConsulDoor(desk, turns, login, consul_group)
        pages = dashboard_answer()
        table = routes(
            *(api, tokens, consul, Discovery(desk, turns), login),
            columns=ColumnsApi(desk, feed, login),
            hindsight=HindsightApi(desk, login),
            openapi=self._openapi,
            dashboard=pages,
        )
        super().__init__(
            table,
            redirect_slashes=False,
            default=no_such_path,
            # The outermost first. Who may ask is decided by the route that is found.
            middleware=[
                Middleware(Outgoing, run=run, gauges=gauges, room=room, in_doubt=api.in_doubt),
                Middleware(HeadCheck, hosts=hosts),
            ],
        )
        shapes = EVENT_SHAPES.values()
        self._description = StructResponse(describe(table, version=version(), extra_shapes=shapes))

    async def _openapi(self, request: Request) -> Response:
        return self._description

    def stop(self) -> None:
        """End the streams of events, so that a server that is to stop need not wait for them."""
        self._stopping.set()


def make_app(
    desk: CoordinatorApi,
    access: Access | None = None,
    *,
    ping_period: float = PING_PERIOD,
    hosts: Hosts | None = None,
    limits: HttpLimits | None = None,
    anonymous_read: bool = False,
    certificates: bool = False,
    consul_group: str = "compute",
    agent_state_groups: Sequence[str] = (),
) -> App:
    """Make the whole HTTP API over ``desk``; a stream that is quiet pings every ``ping_period`` s.

    It answers to addresses, localhost and ``hosts``, and asks for the tokens of ``access``: without
    one it is open, unless callers show ``certificates``. Who asks as one asks Consul is told of
    ``consul_group``, and metrics have a sample for each member of ``agent_state_groups``.
    """
    return App(
        desk,
        access or Access(NoShelf(), time, monotonic),
        ping_period=ping_period,
        hosts=hosts or Hosts(),
        limits=limits or HttpLimits(),
        anonymous_read=anonymous_read,
        certificates=certificates,
        consul_group=consul_group,
        agent_state_groups=agent_state_groups,
    )
