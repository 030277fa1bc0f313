"""Who asks as one asks a Consul agent, as Masakari's host monitor does, is told who is alive.

Of what an agent of Consul answers there is what that driver reads: a name, and serf's number for a
state. Whatever is not ``ALIVE`` it takes for dead, and has it evacuated; an error leaves everybody as
it was.
"""

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from musterd.errors import NotFound
from musterd.model import State, Verdict
from musterd_coordinator.http.answers import JSON
from musterd_coordinator.http.listing import joined
from musterd_coordinator.http.login import Login
from musterd_coordinator.http.readiness import not_ready
from musterd_coordinator.http.turns import Turns
from musterd_coordinator.limits.shares import holder_of
from musterd_coordinator.service.contract import CoordinatorApi
from musterd_coordinator.steps import Steps

ALIVE, LEFT, FAILED = 1, 3, 4
"""What serf, and so Consul, has as the state of a member."""

_encode = msgspec.json.Encoder().encode


class AgentMember(msgspec.Struct, frozen=True, gc=False, rename="pascal"):
    """An `AgentMember` is a member of the group as an agent of Consul tells it.

    ``status`` is 1 while it must not be evacuated, 3 if it said goodbye, else 4. Its musterd state is
    among the ``tags``.
    """

    name: str
    status: int
    tags: Mapping[str, str]


def agent_member(name: str, verdict: Verdict) -> AgentMember | None:
    """Return what is told of a member; None: nothing, for nobody knows yet whether it is alive."""
    if verdict.state is State.UNKNOWN:
        return None
    gone = LEFT if verdict.state is State.LEFT else FAILED
    return AgentMember(name, gone if verdict.down else ALIVE, {"state": verdict.state})


class ConsulDoor:
    """A `ConsulDoor` tells of one ``group``, for whoever asks so has no word for which."""

    def __init__(self, desk: CoordinatorApi, turns: Turns, login: Login, group: str) -> None:
        self._desk = desk
        self._turns = turns
        self._login = login
        self._group = group

    async def members(self, request: Request) -> Response:
        """Answer with all members of whom something is known, while all of them are heard."""
        self._login.must_see(request.scope, request.scope["caller"], self._group)
        self._must_hear()
        text = await self._turns.run(holder_of(request.client), self._list())
        return Response(memoryview(text), media_type=JSON)

    def _must_hear(self) -> None:
        """Raise NotReady where an answer might be taken for more than is known.

        So it is where there is no such group: the client makes of a 404 an answer without members.
        """
        try:
            listening, _ = self._desk.freshness(self._group)
        except NotFound as error:
            raise not_ready(self._desk, f"{error}; consul_group names the one to tell of") from None
        if not (listening and self._desk.ready):
            raise not_ready(self._desk)

    def _list(self) -> Steps[bytearray]:
        parts: list[bytes] = [b"["]
        for portion in self._desk.portions(self._group):
            told = map(agent_member, portion[self._group], portion[self._group].values())
            known = [one for one in told if one is not None]
            if known:
                parts.append((b"," if len(parts) > 1 else b"") + _encode(known)[1:-1])
            yield
        return (yield from joined([*parts, b"]"]))
