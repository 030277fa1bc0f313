"""The module tries one call at one coordinator after another, and says what comes of it: no I/O.

So `Client` and `AsyncClient` share it, and only carry what it asks for. A `Client` that ran an
`AsyncClient` in anyio's portal would need a thread, and 120 µs of CPU more for each call.
"""

from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Generic, NamedTuple

import msgspec

from musterd.answers import NOT_READY, ProblemDetails
from musterd.client.calls import Call
from musterd.client.choice import Address, Rotation, T, best_informed, is_listening
from musterd.errors import (
    AccessDenied,
    Conflict,
    CoordinatorError,
    CoordinatorUnreachable,
    NotFound,
    NotReady,
)

_PROBLEM = "application/problem+json"
_ERRORS: dict[int, type[CoordinatorError]] = {
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    409: Conflict,
}
_TRIES = 2  # of one coordinator in one call


class HttpReply(NamedTuple):
    """An ``HttpReply`` is what came back.

    ``run`` tells one run of a coordinator from others; it is empty where the reply does not say.
    """

    status: int
    media: str
    body: bytes
    run: str = ""


class Failure(NamedTuple):
    """A ``Failure`` says that nothing came back.

    ``stale``: perhaps only because an idle connection had just been closed. ``sent``: the request may
    have arrived, and been done.
    """

    reason: str
    stale: bool = False
    sent: bool = True


class Attempt(NamedTuple):
    """An ``Attempt`` is an order to try ``address`` for ``budget`` seconds."""

    address: Address
    budget: float


def attempts(
    call: Call[T], rotation: Rotation, timeout: float, clock: Callable[[], float]
) -> Generator[Attempt, HttpReply | Failure, T]:
    """Yield what to try and take what came of it, until there is an answer to return.

    A coordinator that hangs gets its share of ``timeout`` (seconds), so that there is time for the
    next; all tries together get no more than that. Raises CoordinatorUnreachable, or what a
    coordinator's problem stands for. Every call may be made twice without harm, so one that met a
    closed connection is tried again.
    """
    deadline = clock() + timeout
    asking = _Asking(call, rotation)
    order, looks_around = rotation.order(), False
    for position, address in enumerate(order):
        now = clock()
        budget = max(0.0, deadline - now) / (len(order) - position)
        end = now + budget
        for _ in range(_TRIES):
            again = asking.record_outcome(address, (yield Attempt(address, budget)))
            budget = end - clock()
            if not again or budget <= 0:
                break
        looks_around = looks_around or (bool(asking.lesser) and rotation.may_look(clock()))
        if asking.is_done or (asking.lesser and not looks_around):
            break
    return asking.answer()


class _Asking(Generic[T]):
    """An ``_Asking`` is one call under way, with what came of it so far."""

    def __init__(self, call: Call[T], rotation: Rotation) -> None:
        self.is_done = False
        self.lesser: list[tuple[Address, T]] = []  # of coordinators that do not hear their store
        self._call = call
        self._rotation = rotation
        self._best: tuple[Address, T] | None = None
        self._refusals: list[CoordinatorError] = []
        self._failures: list[str] = []
        self._perhaps_done = False

    def record_outcome(self, address: Address, outcome: HttpReply | Failure) -> bool:
        """Note the outcome of one try; say whether to ask the same coordinator again at once."""
        if isinstance(outcome, Failure):
            self._perhaps_done |= outcome.sent
            return self._failed(address, outcome.reason, again=outcome.stale)
        if outcome.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return self._refused(address, outcome)
        answer = self._read(address, outcome)
        if self._rotation.is_older(outcome.run, answer):
            return self._failed(address, "it said less than it had said before", again=True)
        self.is_done = is_listening(answer)
        if self.is_done:
            self._best = address, answer
        else:
            self.lesser.append((address, answer))
        return False

    def answer(self) -> T:
        """Return the best answer; raise what there is to say if there was none."""
        if self._best is None and self.lesser:
            self._best = best_informed(self.lesser)
        if self._best is not None:
            address, answer = self._best
            self._rotation.answered(address)
            return answer
        if self._refusals:
            raise min(self._refusals, key=lambda error: not isinstance(error, NotReady))
        raise CoordinatorUnreachable(
            f"no answer from {', '.join(self._failures)}; check that a coordinator runs there"
            " (musterd coordinator), or name another one"
        )

    def _read(self, address: Address, reply: HttpReply) -> T:
        try:
            return read_reply(self._call, reply, address)
        except NotFound:
            if self._call.gone_is_done and self._perhaps_done:
                return self._call.decode(b"")  # by a try whose answer was lost
            self._rotation.answered(address)
            raise
        except CoordinatorError:
            self._rotation.answered(address)
            raise

    def _refused(self, address: Address, reply: HttpReply) -> bool:
        """Note that this coordinator cannot answer now: another one may."""
        if reply.media != _PROBLEM:
            return self._failed(address, "it has too many callers")
        try:
            read_reply(self._call, reply, address)
        except CoordinatorError as error:
            self._refusals.append(error)
        return False

    def _failed(self, address: Address, reason: str, *, again: bool = False) -> bool:
        mark = f"{address} "
        if not self._failures or not self._failures[-1].startswith(mark):
            self._failures.append(f"{mark}({reason})")
        return again


def read_reply(call: Call[T], reply: HttpReply, address: Address) -> T:
    """Return the answer in ``reply``; raise the CoordinatorError that it stands for."""
    try:
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return call.decode(reply.body)
        if reply.media == _PROBLEM:
            problem = msgspec.json.decode(reply.body, type=ProblemDetails)
            raise _error_of(problem, reply.status)
    except msgspec.MsgspecError:
        pass
    raise CoordinatorError(
        f"{address} answered {reply.status} to {call.method} {call.target}, and not as a musterd"
        " coordinator does; check the URL"
    )


def _error_of(problem: ProblemDetails, status: int) -> CoordinatorError:
    if problem.type == NOT_READY:
        return NotReady(problem.detail)
    return _ERRORS.get(status, CoordinatorError)(problem.detail)
