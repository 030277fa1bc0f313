"""Prometheus finds what to scrape by members: its HTTP service discovery.

It asks every minute for the whole list, and keeps the last one where the answer is an error:
https://prometheus.io/docs/prometheus/latest/http_sd/.
"""

import re
from collections.abc import Iterator, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from musterd.model import State
from musterd_coordinator.http.answers import JSON
from musterd_coordinator.http.inputs import DiscoveryParameters, read_parameters
from musterd_coordinator.http.listing import joined
from musterd_coordinator.http.readiness import not_ready
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.shares import holder_of
from musterd_coordinator.service.contract import CoordinatorApi, MemberSummary
from musterd_coordinator.steps import Steps

ADDRESS = "address"
"""Metadata of this name is where a member is reached, if that is not its name."""

_META = "__meta_musterd_"
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")

_encode = msgspec.json.Encoder().encode


class TargetGroup(msgspec.Struct, frozen=True, gc=False):
    """A `TargetGroup` is one member as Prometheus takes it: ``targets`` has its address alone.

    Relabelling sees ``labels``; none of them stays by itself.
    """

    targets: tuple[str]
    labels: Mapping[str, str]


class Discovery:
    """A `Discovery` tells Prometheus of members."""

    def __init__(self, desk: CoordinatorApi, turns: Turns) -> None:
        self._desk = desk
        self._turns = turns

    async def targets(self, request: Request) -> Response:
        """Answer with all members of a group but those that said goodbye, once it is ready."""
        asked = read_parameters(request.scope["query_string"], DiscoveryParameters)
        port = None if asked.port is msgspec.UNSET else asked.port
        group = request.path_params["group"]
        self._desk.freshness(group)  # NotFound, if there is none
        if not self._desk.ready:  # the list might not be whole yet
            raise not_ready(self._desk)
        text = await self._turns.run(holder_of(request.client), self._list(group, port))
        return Response(memoryview(text), media_type=JSON)

    def _list(self, group: str, port: int | None) -> Steps[bytearray]:
        parts: list[bytes] = [b"["]
        for summaries in self._desk.summaries(group):
            told = [
                target_group(one, port) for one in summaries if one.verdict.state is not State.LEFT
            ]
            if told:
                parts.append((b"," if len(parts) > 1 else b"") + _encode(told)[1:-1])
            yield
        return (yield from joined([*parts, b"]"]))


def target_group(one: MemberSummary, port: int | None) -> TargetGroup:
    """Return what is told of a member; labels without a value are left out."""
    host = one.member.metadata.get(ADDRESS) or one.member.name
    if port is not None:
        host = f"[{host}]:{port}" if ":" in host and host[0] != "[" else f"{host}:{port}"
    labels = {f"{_META}{name}": value for name, value in _labels(one) if value}
    return TargetGroup((host,), labels)


def _labels(one: MemberSummary) -> Iterator[tuple[str, str]]:
    member, verdict = one.member, one.verdict
    yield "group", member.group
    yield "member", member.name
    yield "state", verdict.state
    yield "up", str(verdict.up).lower()
    yield "disabled", str(one.facts.disabled).lower()
    yield "zone", member.zone
    yield "owner", member.owner
    for name, value in member.metadata.items():
        yield f"metadata_{_NO_LABEL.sub('_', name)}", value
