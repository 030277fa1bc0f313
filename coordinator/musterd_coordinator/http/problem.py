"""Refusals as RFC 9457 problem details, whose ``detail`` says what to change."""

from http import HTTPStatus

import msgspec

from musterd.errors import ConfigError, Conflict, MusterdError, NotFound, NotReady, RegistryError
from musterd.model import NOT_READY, ProblemDetails
from musterd_coordinator.http.exchange import PROBLEM, Answer, Headers

_STATUS: dict[type[MusterdError], int] = {
    NotFound: 404,
    Conflict: 409,
    ConfigError: 400,
    RegistryError: 503,
}
_SOON: Headers = ((b"retry-after", b"2"),)
_encode = msgspec.json.Encoder().encode


class Problem(Exception):
    """Raised by a handler to refuse; ``field`` names the parameter or field to blame."""

    def __init__(
        self,
        status: int,
        detail: str,
        field: str | None = None,
        headers: Headers = (),
        kind: str = "about:blank",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = headers
        self.kind = kind

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def closing(self) -> "Problem":
        """The same with the end of the connection, as nobody knows where what came ends."""
        headers = (*self.headers, (b"connection", b"close"))
        return Problem(self.status, self.detail, self.field, headers, self.kind)

    def answer(self) -> Answer:
        """The problem details."""
        # "about:blank" says that the status tells all there is to tell a program (RFC 9457, 4.2.1).
        details = ProblemDetails(
            type=self.kind,
            title=self.title,
            status=self.status,
            detail=self.detail,
            field=msgspec.UNSET if self.field is None else self.field,
        )
        return Answer(_encode(details), self.status, PROBLEM, self.headers)


def problem_of(error: MusterdError) -> Problem:
    """What the caller is told of an error that musterd raised on purpose."""
    if isinstance(error, NotReady):
        return Problem(503, str(error), headers=_SOON, kind=NOT_READY)
    return Problem(_STATUS.get(type(error), 500), str(error))
