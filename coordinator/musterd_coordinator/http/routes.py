"""Starlette's routes say here what they take and give, so that one table serves and documents."""

from collections.abc import Awaitable, Callable, Sequence
from types import GenericAlias
from typing import Self
from urllib.parse import unquote_to_bytes

from starlette.convertors import Convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from musterd.tokens import Rank
from musterd_coordinator.http.inputs import NoParameters, read_parameters
from musterd_coordinator.http.login import READER, Login, Needs, request_id
from musterd_coordinator.http.problem import Problem

Handler = Callable[[Request], Awaitable[Response]]


class _Name(Convertor[str]):
    """A `_Name` decodes a name in a path, which is routed as it was sent: so a %2F in it ends no step."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        try:
            return unquote_to_bytes(value).decode() if "%" in value else value
        except UnicodeDecodeError:
            raise Problem(400, "the path is not UTF-8") from None


_NAME = _Name()


class Operation(Route):
    """An `Operation` is one method of one path, as it is served and as it is documented.

    Its answer is a struct, a list of structs, or text of a media type: ``shape``; without one it is 204,
    and empty. It is
    open where it ``needs`` nothing; else ``login`` says who may come.
    """

    login: Login
    needs: Needs | None = READER

    def __init__(
        self,
        method: str,
        path: str,
        endpoint: "Endpoint",
        summary: str,
        shape: type | GenericAlias | str | None,
        means: str,
        *,
        parameters: type = NoParameters,
        body: type | None = None,
        problems: Sequence[int] = (),
    ) -> None:
        super().__init__(path, endpoint, methods=[method])
        self.param_convertors = dict.fromkeys(self.param_convertors, _NAME)
        self.method, self.summary = method, summary
        self.shape, self.means = shape, means
        self.parameters, self.body, self.problems = parameters, body, problems

    def taking(self, needs: Needs | None) -> Self:
        """Return the same operation, which takes this of its caller; None: nothing."""
        self.needs = needs
        return self

    @property
    def is_order(self) -> bool:
        """Say whether it changes anything."""
        return self.needs is not None and self.needs.rank is not Rank.READER

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what this route does not take; then answer."""
        if self.methods is None or scope["method"] not in self.methods:
            raise _wrong_method(scope)
        if self.is_order:
            scope["request_id"] = request_id(scope)
        scope["caller"] = self.login.admit(scope, self.needs)
        if scope["unwanted"] is not None:
            raise scope["unwanted"]
        if scope["query_string"] and self.parameters is NoParameters:
            read_parameters(scope["query_string"], NoParameters)
        await self.app(scope, receive, send)


class Hot:
    """A `Hot` answers by itself, without the 8 µs that Starlette puts around a function."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._app(scope, receive, send)


Endpoint = Handler | Hot | Response


async def no_such_path(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a path that no route has: the application that is asked where none is found."""
    path = scope["path"]
    raise Problem(404, f"there is no {path}; /openapi.json lists the paths there are")


def _wrong_method(scope: Scope) -> Problem:
    here = [route for route in scope["router"].routes if route.path == scope["route"].path]
    methods = sorted(route.method for route in here)
    allowed = methods + (["HEAD"] if "GET" in methods else [])
    return Problem(
        405,
        f"{scope['method']} is not for this path; use {' or '.join(methods)}",
        headers={"allow": ", ".join(allowed)},
    )
