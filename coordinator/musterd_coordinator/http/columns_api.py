"""The handlers of ``/v1/columns`` and ``/v1/names``."""

import hashlib
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from musterd.answers import MemberNames
from musterd.errors import Conflict, NotFound
from musterd_coordinator.http.answers import JSON, StructResponse
from musterd_coordinator.http.columns import ColumnFeed, MadeColumns
from musterd_coordinator.http.flate import accepts_gzip, gzipped
from musterd_coordinator.http.inputs import ColumnsParameters, NamesParameters, read_parameters
from musterd_coordinator.http.login import Login
from musterd_coordinator.http.readiness import not_ready
from musterd_coordinator.service.contract import CoordinatorApi

NOT_MODIFIED = 304


class ColumnsApi:
    """A `ColumnsApi` answers from what a ``feed`` made for all."""

    def __init__(self, desk: CoordinatorApi, feed: ColumnFeed, login: Login) -> None:
        self._desk = desk
        self._feed = feed
        self._login = login

    async def columns(self, request: Request) -> Response:
        groups = self._groups_of(request)
        if not self._desk.size and not self._desk.ready:
            raise not_ready(self._desk)
        made = await self._feed.newest()
        headers = {"etag": self._tag(made, groups), "vary": "accept-encoding"}
        if headers["etag"] in _tags(request):
            return Response(status_code=NOT_MODIFIED, headers=headers)
        parts = await self._feed.parts(made, groups)
        if not accepts_gzip(request.scope):
            return Response(b"".join(part.raw for part in parts), headers=headers, media_type=JSON)
        for part in parts:
            await part.prepare()
        headers["content-encoding"] = "gzip"
        return Response(gzipped(parts), headers=headers, media_type=JSON)

    async def names(self, request: Request) -> Response:
        asked = read_parameters(request.scope["query_string"], NamesParameters)
        self._login.must_see(request.scope, request.scope["caller"], asked.group)
        made = await self._feed.newest()
        names = (
            self._names(made, asked)
            if self._feed.layout(made.arrangement) == asked.layout
            else None
        )
        if names is None:
            raise Conflict(
                f"the layout is not {asked.layout} any more: ask /v1/columns for the one now"
            )
        return StructResponse(MemberNames(asked.layout, asked.group, asked.start, names))

    def _names(self, made: MadeColumns, asked: NamesParameters) -> list[str] | None:
        places = made.arrangement.groups.get(asked.group)
        if places is None:
            raise NotFound(f"there is no group {asked.group} in layout {asked.layout}")
        begin = min(places.begin + asked.start, places.end)
        return self._desk.columns.names(
            made.arrangement.rows[begin : min(begin + asked.n, places.end)]
        )

    def _groups_of(self, request: Request) -> Sequence[str] | None:
        """Return the groups that are asked for and may be seen; None: all."""
        asked = read_parameters(request.scope["query_string"], ColumnsParameters)
        caller = request.scope["caller"]
        if isinstance(asked.group, str):
            self._login.must_see(request.scope, caller, asked.group)
            self._desk.freshness(asked.group)
            return [asked.group]
        return None if caller.grant.groups is None else sorted(caller.grant.groups)

    def _tag(self, made: MadeColumns, groups: Sequence[str] | None) -> str:
        layout = self._feed.layout(made.arrangement)
        text = "" if groups is None else "-" + hashlib.sha256(repr(groups).encode()).hexdigest()[:8]
        return f'W/"{layout}-{made.version}{text}"'


def _tags(request: Request) -> list[str]:
    """Return the ETags that whoever asks has."""
    return [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
