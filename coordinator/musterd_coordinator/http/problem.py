"""Refusals are RFC 9457 problem details; their ``detail`` says what to change."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from musterd.answers import NOT_READY, ProblemDetails
from musterd.errors import ConfigError, Conflict, MusterdError, NotFound, NotReady, RegistryError

_STATUS: dict[type[MusterdError], int] = {
    NotFound: 404,
    Conflict: 409,
    ConfigError: 400,
    RegistryError: 503,
}
_encode = msgspec.json.Encoder().encode


class Problem(HTTPException):
    """A `Problem` is raised to refuse a request; ``field`` names the parameter or field to blame."""

    def __init__(
        self,
        status: int,
        detail: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        kind: str = "about:blank",
    ) -> None:
        super().__init__(status, detail)
        self.headers: Mapping[str, str] = headers or {}
        self.field = field
        self.kind = kind

    @property
    def title(self) -> str:
        """Return the status in words."""
        return HTTPStatus(self.status_code).phrase

    def answer(self) -> Response:
        """Return the problem details."""
        # "about:blank" says that the status tells all there is to tell a program (RFC 9457, 4.2.1).
        details = ProblemDetails(
            type=self.kind,
            title=self.title,
            status=self.status_code,
            detail=self.detail,
            field=msgspec.UNSET if self.field is None else self.field,
        )
        media = "application/problem+json"
        return Response(_encode(details), self.status_code, self.headers, media)


def problem_of(error: MusterdError) -> Problem:
    """Return what the caller is told of an error that musterd raised on purpose."""
    if isinstance(error, NotReady):
        return Problem(503, str(error), headers={"retry-after": "2"}, kind=NOT_READY)
    return Problem(_STATUS.get(type(error), 500), str(error))
