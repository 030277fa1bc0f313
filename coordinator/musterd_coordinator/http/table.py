"""The table has everything that can be asked over HTTP."""

from musterd.model import (
    EventChanges,
    EventPing,
    EventSnapshot,
    FactsChange,
    GroupAnswer,
    GroupList,
    History,
    MemberAnswer,
    MemberPage,
    Query,
    QueryAnswer,
    StatusAnswer,
)
from musterd_coordinator.http.api import Api
from musterd_coordinator.http.inputs import (
    EventsParameters,
    ForgetParameters,
    HistoryParameters,
    MembersParameters,
)
from musterd_coordinator.http.routes import Handler, Hot, Operation, ReplyShape

GROUP = "/v1/groups/{group}"
MEMBER = GROUP + "/members/{member}"

# The shapes of the events' data, for the description of /v1/events.
EVENT_SHAPES = {"snapshot": EventSnapshot, "changes": EventChanges, "ping": EventPing}


def routes(api: Api, *, openapi: Handler, dashboard: Handler) -> list[Operation]:
    """Return every route."""
    return [*_queries(api), *_orders(api), *_observation(api), *_pages(openapi, dashboard)]


def _queries(api: Api) -> list[Operation]:
    return [  # those that are asked most stand first, as routes are tried one after the other
        Operation(
            "GET",
            MEMBER,
            Hot(api.member),
            "One member",
            [ReplyShape(200, MemberAnswer, "the member")],
            problems=[404],
        ),
        Operation(
            "POST",
            GROUP + "/query",
            Hot(api.query),
            "Verdicts on up to 10000 named members",
            [ReplyShape(200, QueryAnswer, "verdicts by name, and the names that are no members")],
            body=Query,
            problems=[404, 408, 413, 415],
        ),
        Operation(
            "GET",
            GROUP + "/members",
            Hot(api.members),
            "Members of a group by name, at most 1000 a page",
            [
                ReplyShape(
                    200, MemberPage, "a page; next is the after of the following one, or null"
                )
            ],
            parameters=MembersParameters,
            problems=[404],
        ),
        Operation(
            "GET",
            "/v1/groups",
            api.groups,
            "All groups, counted by state",
            [ReplyShape(200, GroupList, "the groups")],
        ),
        Operation(
            "GET",
            GROUP,
            api.group,
            "One group, counted by state and zone",
            [ReplyShape(200, GroupAnswer, "the group")],
            problems=[404],
        ),
        Operation(
            "GET",
            MEMBER + "/history",
            api.history,
            "State changes of a member, newest first",
            [ReplyShape(200, History, "the changes")],
            parameters=HistoryParameters,
            problems=[404, 503],
        ),
    ]


def _orders(api: Api) -> list[Operation]:
    return [
        Operation(
            "PATCH",
            MEMBER,
            api.change_facts,
            "Disable, force down, or override zone, owner and metadata; null takes back the latter",
            [ReplyShape(200, MemberAnswer, "the member as it is now, durably")],
            body=FactsChange,
            problems=[403, 404, 408, 413, 415, 429],
        ),
        Operation(
            "DELETE",
            MEMBER,
            api.forget,
            "Forget a member; refused while it is up, unless forced",
            [ReplyShape(204, None, "forgotten")],
            parameters=ForgetParameters,
            problems=[403, 404, 409, 429],
        ),
    ]


def _observation(api: Api) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/v1/events",
            api.events,
            "Server-sent events: a snapshot or a resume, then every change, and pings between",
            [
                ReplyShape(
                    200,
                    "text/event-stream",
                    "events whose data is JSON, see EventSnapshot, EventChanges and EventPing",
                )
            ],
            parameters=EventsParameters,
            problems=[404, 503],
        ),
        Operation(
            "GET",
            "/v1/status",
            api.status,
            "This coordinator, its shards and the storms it holds",
            [ReplyShape(200, StatusAnswer, "the status")],
        ),
        Operation(
            "GET",
            "/metrics",
            api.metrics,
            "Prometheus metrics",
            [
                ReplyShape(
                    200,
                    "text/plain",
                    "exposition format 0.0.4, or OpenMetrics for whoever accepts that",
                )
            ],
        ),
        Operation(
            "GET", "/healthz", api.healthz, "Alive", [ReplyShape(200, "text/plain", "it is alive")]
        ),
        Operation(
            "GET",
            "/readyz",
            api.readyz,
            "Whether it has listened long enough to answer",
            [ReplyShape(200, "text/plain", "it is ready")],
            problems=[503],
        ),
    ]


def _pages(openapi: Handler, dashboard: Handler) -> list[Operation]:
    return [
        Operation(
            "GET",
            "/openapi.json",
            openapi,
            "This description",
            [ReplyShape(200, "application/json", "OpenAPI 3.1")],
        ),
        Operation(
            "GET",
            "/",
            dashboard,
            "The dashboard",
            [ReplyShape(200, "text/html", "a page for people")],
        ),
    ]
