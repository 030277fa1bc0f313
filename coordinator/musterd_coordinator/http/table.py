"""The table has everything that can be asked over HTTP."""

from functools import partial

from musterd.answers import (
    Columns,
    EventCells,
    EventChanges,
    EventPing,
    EventSnapshot,
    GroupAnswer,
    GroupList,
    History,
    HistoryBuckets,
    HistoryPage,
    MemberAnswer,
    MemberNames,
    MemberPage,
    Query,
    QueryAnswer,
)
from musterd.incidents import EventIncidents, IncidentList
from musterd.model import FactsChange
from musterd.orders import GroupOrder, OrderAnswer
from musterd.status import EventStatus, StatusAnswer
from musterd.tokens import NewToken, TokenFacts, TokenList, TokenOrder
from musterd_coordinator.http.api import Api
from musterd_coordinator.http.columns_api import ColumnsApi
from musterd_coordinator.http.consul import AgentMember, ConsulDoor
from musterd_coordinator.http.discovery import Discovery, TargetGroup
from musterd_coordinator.http.hindsight_api import HindsightApi
from musterd_coordinator.http.inputs import (
    ColumnsParameters,
    DiscoveryParameters,
    EventsParameters,
    ForgetParameters,
    HistoryParameters,
    NamesParameters,
)
from musterd_coordinator.http.login import ADMIN, OPERATOR, READER_OF_ALL, Login
from musterd_coordinator.http.parameters import (
    BucketsParameters,
    HistoryPageParameters,
    MembersParameters,
)
from musterd_coordinator.http.routes import Endpoint, Hot, Operation
from musterd_coordinator.http.token_api import TokenApi

GROUP = "/v1/groups/{group}"
MEMBER = GROUP + "/members/{member}"
TOKENS = "/v1/tokens"

# The shapes of the events' data, for the description of /v1/events.
EVENT_SHAPES = {
    "snapshot": EventSnapshot,
    "changes": EventChanges,
    "ping": EventPing,
    "incidents": EventIncidents,
    "columns": Columns,
    "cells": EventCells,
    "status": EventStatus,
}

_get, _post = partial(Operation, "GET"), partial(Operation, "POST")
_patch, _delete = partial(Operation, "PATCH"), partial(Operation, "DELETE")


def routes(
    api: Api,
    tokens: TokenApi,
    consul: ConsulDoor,
    discovery: Discovery,
    login: Login,
    *,
    columns: ColumnsApi,
    hindsight: HindsightApi,
    openapi: Endpoint,
    dashboard: Endpoint,
) -> list[Operation]:
    """Return every route. Those that are asked most stand first: they are tried one after the other."""
    table = [
        *_queries(api),
        *_columns(columns),
        *_hindsight(hindsight),
        *(each.taking(OPERATOR) for each in _orders(api)),
        *(each.taking(ADMIN) for each in _tokens(tokens)),
        *_consul(consul),
        *_discovery(discovery),
        *(each.taking(READER_OF_ALL) for each in _observation(api)),
        *(each.taking(None) for each in _health(api)),
        *_pages(openapi, dashboard),
    ]
    for operation in table:
        operation.login = login
    return table


def _queries(api: Api) -> list[Operation]:
    return [
        _get(MEMBER, Hot(api.member), "One member", MemberAnswer, "the member", problems=[404]),
        _post(
            GROUP + "/query",
            Hot(api.query),
            "Verdicts on up to 10000 named members",
            QueryAnswer,
            "verdicts by name, and the names that are no members",
            body=Query,
            problems=[404, 408, 413, 415],
        ),
        _get(
            GROUP + "/members",
            Hot(api.members),
            "Members of a group, by name or another order, at most 1000 a page",
            MemberPage,
            "a page; next is the after of the following one, or null",
            parameters=MembersParameters,
            problems=[404, 409],
        ),
        _get("/v1/groups", api.groups, "All groups, counted by state", GroupList, "the groups"),
        _get(
            GROUP,
            api.group,
            "One group, counted by state and zone",
            GroupAnswer,
            "the group",
            problems=[404],
        ),
        _get(
            MEMBER + "/history",
            api.history,
            "State changes of a member, newest first",
            History,
            "the changes",
            parameters=HistoryParameters,
            problems=[404, 503],
        ),
        _get(
            "/v1/events",
            api.events,
            "Server-sent events: a snapshot or a resume, then every change, and pings between",
            "text/event-stream",
            "events whose data is JSON, see EventSnapshot, EventChanges, EventPing and EventIncidents;"
            " with form=columns Columns, EventCells, EventStatus and EventPing",
            parameters=EventsParameters,
            problems=[404, 503],
        ),
    ]


def _columns(columns: ColumnsApi) -> list[Operation]:
    return [
        _get(
            "/v1/columns",
            columns.columns,
            "A byte for each member: its state and marks",
            Columns,
            "all groups that the caller sees, or one; 304 where If-None-Match has its ETag",
            parameters=ColumnsParameters,
            problems=[404],
        ),
        _get(
            "/v1/names",
            columns.names,
            "The names of members by their ordinals in columns, at most 10000",
            MemberNames,
            "the names, fewer where there are no more; 409 where there is another layout now",
            parameters=NamesParameters,
            problems=[404, 409],
        ),
    ]


def _hindsight(api: HindsightApi) -> list[Operation]:
    return [
        _get(
            "/v1/history",
            api.page,
            "Changes and orders of all members, of a group or a zone, newest first",
            HistoryPage,
            "a page; next is the before of the following one, or null",
            parameters=HistoryPageParameters,
            problems=[503],
        ),
        _get(
            "/v1/history/buckets",
            api.buckets,
            "How many members changed to each state, by time",
            HistoryBuckets,
            "at most 2000 buckets, without empty ones; step and since are those that were taken",
            parameters=BucketsParameters,
            problems=[503],
        ),
    ]


def _orders(api: Api) -> list[Operation]:
    return [
        _patch(
            MEMBER,
            api.change_facts,
            "Disable, force down, or override zone, owner and metadata; null takes back the latter",
            MemberAnswer,
            "the member as it is now, durably",
            body=FactsChange,
            problems=[403, 404, 408, 413, 415, 429],
        ),
        _post(
            GROUP + "/orders",
            api.order,
            "One order for many members: disable, force down, or confirm a mass silence",
            OrderAnswer,
            "how many it is for, and how many it changed, durably and as one version",
            body=GroupOrder,
            problems=[403, 404, 408, 409, 413, 415, 429],
        ),
        _delete(
            MEMBER,
            api.forget,
            "Forget a member; refused while it is up, unless an admin forces it",
            None,
            "forgotten",
            parameters=ForgetParameters,
            problems=[403, 404, 409, 429],
        ),
    ]


def _tokens(api: TokenApi) -> list[Operation]:
    return [
        _get(
            TOKENS,
            api.tokens,
            "All tokens, without their secrets",
            TokenList,
            "the tokens by name, those revoked and expired too",
        ),
        _post(
            TOKENS,
            api.create,
            "Make a token; from the first on one is asked for",
            NewToken,
            "the token; its text is told this once",
            body=TokenOrder,
            problems=[403, 408, 409, 413, 415, 429],
        ),
        _delete(
            TOKENS + "/{name}",
            api.revoke,
            "Let a token be good for nothing any more",
            TokenFacts,
            "the token as it is now",
            problems=[403, 404, 429],
        ),
    ]


def _consul(consul: ConsulDoor) -> list[Operation]:
    return [
        _get(
            "/v1/agent/members",
            consul.members,
            "The members of consul_group, as an agent of Consul tells them",
            list[AgentMember],
            "the members, in no order; 503 while it is not listening",
        )
    ]


def _discovery(discovery: Discovery) -> list[Operation]:
    return [
        _get(
            "/v1/sd/{group}",
            discovery.targets,
            "The members of a group as Prometheus' HTTP service discovery takes them",
            list[TargetGroup],
            "the members but those that left, in no order; 503 until the list is whole",
            parameters=DiscoveryParameters,
            problems=[404],
        )
    ]


def _observation(api: Api) -> list[Operation]:
    return [
        _get(
            "/v1/status",
            api.status,
            "This coordinator, its shards and the storms it holds",
            StatusAnswer,
            "the status",
        ),
        _get(
            "/v1/incidents",
            api.incidents,
            "What needs attention, since when, and what to do next",
            IncidentList,
            "what goes on, the worst first, and what was resolved within the last hour",
        ),
        _get(
            "/metrics",
            api.metrics,
            "Prometheus metrics",
            "text/plain",
            "exposition format 0.0.4, or OpenMetrics for whoever accepts that",
        ),
    ]


def _health(api: Api) -> list[Operation]:
    return [
        _get("/healthz", api.healthz, "Alive", "text/plain", "it is alive"),
        _get(
            "/readyz",
            api.readyz,
            "Whether it has listened long enough to answer",
            "text/plain",
            "it is ready",
            problems=[503],
        ),
    ]


def _pages(openapi: Endpoint, dashboard: Endpoint) -> list[Operation]:
    return [
        _get("/openapi.json", openapi, "This description", "application/json", "OpenAPI 3.1"),
        _get("/", dashboard, "The dashboard", "text/html", "a page for people").taking(None),
    ]
