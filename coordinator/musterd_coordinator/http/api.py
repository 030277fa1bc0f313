"""The handlers of the API read what is asked, ask the desk, and encode what it says."""

from collections.abc import Sequence
from functools import partial
from itertools import chain
from typing import TypeVar

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from musterd.answers import GroupList, Query
from musterd.errors import MusterdError, NotFound, NotReady
from musterd.model import FactsChange
from musterd.orders import GroupOrder, OrderError
from musterd.tokens import Rank
from musterd_coordinator.http import metrics
from musterd_coordinator.http.agent_states import agent_states
from musterd_coordinator.http.answers import JSON, EventStream, StructResponse, send_struct
from musterd_coordinator.http.counted import counted_families
from musterd_coordinator.http.events import Events
from musterd_coordinator.http.flate import accepts_gzip, pieces
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.incident_gauges import incident_families
from musterd_coordinator.http.inputs import (
    FACTS_BYTES,
    ORDER_BYTES,
    QUERY_BYTES,
    QUERY_LIMIT,
    EventsParameters,
    ForgetParameters,
    HistoryParameters,
    read_json,
    read_parameters,
)
from musterd_coordinator.http.limits import Room
from musterd_coordinator.http.listing import Listing
from musterd_coordinator.http.login import Login
from musterd_coordinator.http.orders import Orders
from musterd_coordinator.http.parameters import MembersParameters
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.http.readiness import not_ready
from musterd_coordinator.http.status_news import Sight
from musterd_coordinator.http.turns import Turns, in_steps
from musterd_coordinator.limits.shares import holder_of
from musterd_coordinator.service.access import Grant
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.steps import Steps

_query_decoder = msgspec.json.Decoder(Query)
_change_decoder = msgspec.json.Decoder(FactsChange)
_order_decoder = msgspec.json.Decoder(GroupOrder)
_T = TypeVar("_T")


class Api:
    """An `Api` has the handlers. What may concern very many members is answered in turns."""

    def __init__(
        self,
        desk: CoordinatorApi,
        events: Events,
        gauges: HttpGauges,
        room: Room,
        turns: Turns,
        orders: Orders,
        *,
        login: Login,
        stopping: anyio.Event,
        agent_state_groups: Sequence[str] = (),
    ) -> None:
        self._desk = desk
        self._events = events
        self._gauges = gauges
        self._room = room
        self._turns = turns
        self._orders = orders
        self._login = login
        self._stopping = stopping
        self._agent_state_groups = agent_state_groups
        self._groups = Listing(desk)

    async def groups(self, request: Request) -> Response:
        caller, grant = holder_of(request.client), request.scope["caller"].grant
        if grant.groups is not None:
            return StructResponse(await self._turns.run(caller, self._of(grant)))
        groups = await self._turns.run(caller, self._groups.answer())
        if groups is None:
            self._must_know()
        return Response(memoryview(groups or self._groups.none()), media_type=JSON)

    def _of(self, grant: Grant) -> Steps[GroupList]:
        listed = yield from self._desk.groups_steps()
        listed.groups[:] = [one for one in listed.groups if grant.sees(one.group)]
        if not listed.groups:
            self._must_know()
        return listed

    async def group(self, request: Request) -> Response:
        steps = self._desk.group_steps(request.path_params["group"])
        return StructResponse(await self._turns.run(holder_of(request.client), steps))

    async def member(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_struct(send, self._desk.member(**scope["path_params"]))

    async def members(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = read_parameters(scope["query_string"], MembersParameters).check()
        group, page = scope["path_params"]["group"], (asked.after, asked.limit, asked.ordering)
        steps = self._desk.members_steps(group, asked.filters, *page)
        await send_struct(send, await self._turns.run(holder_of(scope.get("client")), steps))

    async def query(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        asked = await read_json(request, _query_decoder, QUERY_BYTES, self._room)
        if len(asked.members) > QUERY_LIMIT:
            raise Problem(
                400,
                f"{len(asked.members)} names in one query; ask for at most {QUERY_LIMIT} at a time",
                "members",
            )
        answer = self._desk.query(scope["path_params"]["group"], asked.members)
        if answer.not_found:
            self._must_know()
        await send_struct(send, answer)

    async def change_facts(self, request: Request) -> Response:
        origin = self._orders.check(request)
        change = await read_json(request, _change_decoder, FACTS_BYTES, self._room)
        names = request.path_params
        try:
            changed = await self._desk.change_facts(**names, change=change, origin=origin)
            return StructResponse(changed)
        except OrderError as error:
            raise Problem(400, str(error), error.field) from None

    async def order(self, request: Request) -> Response:
        origin = self._orders.check(request)
        order = await read_json(request, _order_decoder, ORDER_BYTES, self._room)
        group = request.path_params["group"]
        try:
            answer = await self._desk.order(group, order, origin)
        except OrderError as error:
            raise Problem(400, str(error), error.field) from None
        self._orders.charge(request, 0 if answer.dry_run else answer.changed)
        return StructResponse(answer)

    async def forget(self, request: Request) -> Response:
        origin = self._orders.check(request)
        asked = read_parameters(request.scope["query_string"], ForgetParameters)
        if asked.force:
            self._login.must_be(request.scope, request.scope["caller"], Rank.ADMIN)
        await self._desk.forget(**request.path_params, force=asked.force, origin=origin)
        return Response(status_code=204)

    async def history(self, request: Request) -> Response:
        asked = read_parameters(request.scope["query_string"], HistoryParameters)
        return StructResponse(await self._desk.history(**request.path_params, limit=asked.limit))

    async def events(self, request: Request) -> Response:
        asked = read_parameters(request.scope["query_string"], EventsParameters)
        if not self._desk.ready and not self._desk.size:
            self._must_know()
        # A browser that reconnects repeats the address, and says in the header how far it came.
        since = request.headers.get("last-event-id") or _given(asked.since)
        caller = request.scope["caller"]
        group = self._login.group_of(request.scope, caller, _given(asked.group))
        welcome = partial(self._login.holds, caller)
        holder = holder_of(request.client)
        if asked.form == "columns":
            sight = Sight(group, sees_status=caller.grant.groups is None)
            parts = self._events.columns(sight, since, holder, welcome)
            compressed = accepts_gzip(request.scope)
            return EventStream(pieces(parts, compressed=compressed), self._stopping, compressed)
        chunks = self._events.stream(group, since, holder, welcome)
        return EventStream(chunks, self._stopping)

    async def status(self, request: Request) -> Response:
        return StructResponse(await in_steps(self._desk.status_steps()))

    async def incidents(self, request: Request) -> Response:
        return StructResponse(self._desk.incidents())

    async def metrics(self, request: Request) -> Response:
        form = metrics.form_of(request.headers.get("accept", ""))
        page = metrics.render(
            self._desk.status_steps(),
            self._desk.groups_steps(),
            gauges=self._gauges,
            readers=self._events.readers,
            members=agent_states(self._desk, self._agent_state_groups),
            counted=chain(
                incident_families(self._desk.incidents().incidents),
                counted_families(self._desk.figures),
            ),
            form=form,
        )
        text = await self._turns.run(holder_of(request.client), page)
        return Response(text, media_type=form.media)

    async def healthz(self, request: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(self, request: Request) -> Response:
        if self._desk.ready:
            return PlainTextResponse("ready\n")
        raise self._not_ready()

    def in_doubt(self, error: MusterdError) -> MusterdError:
        """Return ``error``; NotReady if it is that something is not found, while that is not known."""
        return self._not_ready() if isinstance(error, NotFound) and not self._desk.ready else error

    def _must_know(self) -> None:
        """Raise NotReady where "there is none" would only mean "I have not heard yet"."""
        if not self._desk.ready:
            raise self._not_ready()

    def _not_ready(self) -> NotReady:
        return not_ready(self._desk)


def _given(value: _T | msgspec.UnsetType) -> _T | None:
    return None if value is msgspec.UNSET else value
