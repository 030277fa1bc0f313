"""What can be asked: one table that routes, documents and limits every request."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from musterd_coordinator.http.exchange import Answer, Request, Stream
from musterd_coordinator.http.inputs import NoParameters
from musterd_coordinator.http.problem import Problem

Handler = Callable[[Request], Awaitable[Answer | Stream]]


class ReplyShape(NamedTuple):
    """One answer that a route can give; ``shape`` is a struct, or the media type of other text."""

    status: int
    shape: type | str | None
    means: str


class Route(NamedTuple):
    """One method of one path, as it is served and as it is documented."""

    method: str
    path: str
    handler: Handler
    summary: str
    replies: Sequence[ReplyShape]
    parameters: type = NoParameters
    body: type | None = None
    problems: Sequence[int] = ()


class _Node:
    """One step of a path: fixed next steps by their text, and at most one that is a name."""

    def __init__(self) -> None:
        self.fixed: dict[bytes, _Node] = {}
        self.name: _Node | None = None
        self.routes: dict[str, Route] = {}


class Router:
    """Finds the route of a request in as many look-ups as its path has steps."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._leaf(route.path).routes[route.method] = route

    def _leaf(self, path: str) -> _Node:
        node = self._root
        for step in path[1:].split("/"):
            if step.startswith("{"):
                node.name = node.name or _Node()
                node = node.name
            else:
                node = node.fixed.setdefault(step.encode(), _Node())
        return node

    def find(self, method: str, raw_path: bytes) -> tuple[Route, tuple[str, ...]]:
        """The route and the names in the path; a Problem 400, 404 or 405 if there is none."""
        node: _Node | None = self._root
        names: list[str] = []
        for step in raw_path[1:].split(b"/"):
            assert node is not None
            following = node.fixed.get(step)
            if following is None and step:
                following = node.name
                names.append(_decoded(step))
            if following is None:
                raise _no_such_path(raw_path)
            node = following
        assert node is not None
        if not node.routes:
            raise _no_such_path(raw_path)
        return _of_method(node.routes, method), tuple(names)


def _of_method(routes: Mapping[str, Route], method: str) -> Route:
    route = routes.get("GET" if method == "HEAD" else method)
    if route is None:
        allowed = sorted(routes) + (["HEAD"] if "GET" in routes else [])
        raise Problem(
            405,
            f"{method} is not for this path; use {' or '.join(sorted(routes))}",
            headers=((b"allow", ", ".join(allowed).encode()),),
        )
    return route


def _decoded(step: bytes) -> str:
    try:
        return (unquote_to_bytes(step) if b"%" in step else step).decode()
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8") from None


def _no_such_path(raw_path: bytes) -> Problem:
    path = raw_path.decode("ascii", "replace")
    return Problem(404, f"there is no {path}; /openapi.json lists the paths there are")
