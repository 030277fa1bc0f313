"""The handlers of the API: read what is asked, ask the desk, encode what it says."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from musterd.errors import MusterdError, NotFound, NotReady
from musterd.model import FactsChange, Query, ShardStatus
from musterd.orders import OrderError
from musterd_coordinator.http import metrics
from musterd_coordinator.http.events import Events
from musterd_coordinator.http.exchange import (
    PLAIN,
    Answer,
    Request,
    Stream,
    answer_json,
)
from musterd_coordinator.http.gauges import HttpGauges
from musterd_coordinator.http.inputs import (
    FACTS_BYTES,
    QUERY_BYTES,
    QUERY_LIMIT,
    EventsParameters,
    ForgetParameters,
    HistoryParameters,
    MembersParameters,
    read_json,
    read_parameters,
)
from musterd_coordinator.http.limits import Room
from musterd_coordinator.http.listing import Listing
from musterd_coordinator.http.orders import Orders
from musterd_coordinator.http.problem import Problem
from musterd_coordinator.http.turns import Turns, in_steps
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.service.paging import Filters

_query_decoder = msgspec.json.Decoder(Query)
_change_decoder = msgspec.json.Decoder(FactsChange)
_T = TypeVar("_T")


class Api:
    """The handlers. What may concern very many is answered in turns."""

    def __init__(
        self,
        desk: CoordinatorApi,
        events: Events,
        gauges: HttpGauges,
        room: Room,
        turns: Turns,
        orders: Orders,
    ) -> None:
        self._desk = desk
        self._events = events
        self._gauges = gauges
        self._room = room
        self._turns = turns
        self._orders = orders
        self._groups = Listing(desk)

    async def groups(self, request: Request) -> Answer:
        groups = await self._turns.take(request.whose, self._groups.answer())
        if groups is None:
            self._must_know()
        return Answer(groups or self._groups.none())

    async def group(self, request: Request) -> Answer:
        steps = self._desk.group_steps(request.names[0])
        return answer_json(await self._turns.take(request.whose, steps))

    async def members(self, request: Request) -> Answer:
        asked = read_parameters(request.query, MembersParameters)
        filters = Filters(
            _given(asked.state), _given(asked.zone), _given(asked.up), _given(asked.mark)
        )
        steps = self._desk.members_steps(request.names[0], filters, asked.after, asked.limit)
        return answer_json(await self._turns.take(request.whose, steps))

    async def member(self, request: Request) -> Answer:
        group, member = request.names
        return answer_json(self._desk.member(group, member))

    async def query(self, request: Request) -> Answer:
        asked = await read_json(request, _query_decoder, QUERY_BYTES, self._room)
        if len(asked.members) > QUERY_LIMIT:
            raise Problem(
                400,
                f"{len(asked.members)} names in one query; ask for at most {QUERY_LIMIT} at a time",
                "members",
            )
        answer = self._desk.query(request.names[0], asked.members)
        if answer.not_found:
            self._must_know()
        return answer_json(answer)

    async def change_facts(self, request: Request) -> Answer:
        self._orders.check(request)
        group, member = request.names
        change = await read_json(request, _change_decoder, FACTS_BYTES, self._room)
        try:
            return answer_json(await self._desk.change_facts(group, member, change))
        except OrderError as error:
            raise Problem(400, str(error), error.field) from None

    async def forget(self, request: Request) -> Answer:
        self._orders.check(request)
        group, member = request.names
        asked = read_parameters(request.query, ForgetParameters)
        await self._desk.forget(group, member, force=asked.force)
        return Answer(b"", 204)

    async def history(self, request: Request) -> Answer:
        group, member = request.names
        asked = read_parameters(request.query, HistoryParameters)
        return answer_json(await self._desk.history(group, member, asked.limit))

    async def events(self, request: Request) -> Stream:
        asked = read_parameters(request.query, EventsParameters)
        if not self._desk.ready and not self._desk.size:
            self._must_know()
        # A browser that reconnects repeats the address, and says in the header how far it came.
        last = (request.header(b"last-event-id") or b"").decode("latin-1")
        since = last or _given(asked.since)
        return Stream(self._events.stream(_given(asked.group), since, request.whose))

    async def status(self, request: Request) -> Answer:
        return answer_json(await in_steps(self._desk.status_steps()))

    async def metrics(self, request: Request) -> Answer:
        form = metrics.form_of(request.header(b"accept"))
        page = metrics.render(
            self._desk.status_steps(),
            self._desk.groups_steps(),
            gauges=self._gauges,
            readers=self._events.readers,
            form=form,
        )
        return Answer(await self._turns.take(request.whose, page), media=form.media)

    async def healthz(self, request: Request) -> Answer:
        return Answer(b"alive\n", media=PLAIN)

    async def readyz(self, request: Request) -> Answer:
        if self._desk.ready:
            return Answer(b"ready\n", media=PLAIN)
        raise self._not_ready()

    def in_doubt(self, error: MusterdError) -> MusterdError:
        """``error`` itself; NotReady if it is that something is not found, while that is not known."""
        return self._not_ready() if isinstance(error, NotFound) and not self._desk.ready else error

    def _must_know(self) -> None:
        """NotReady where "there is none" would only mean "I have not heard yet"."""
        if not self._desk.ready:
            raise self._not_ready()

    def _not_ready(self) -> NotReady:
        return NotReady(_why_not_ready(self._desk.shard_statuses()))


def _given(value: _T | msgspec.UnsetType) -> _T | None:
    return None if value is msgspec.UNSET else value


def _why_not_ready(shards: Sequence[ShardStatus]) -> str:
    deaf = [f"{shard.shard}: {shard.reason}" for shard in shards if not shard.listening]
    if deaf:
        return f"not ready: not listening to {'; '.join(deaf)}"
    return "not ready: it has not listened long enough to answer yet"
