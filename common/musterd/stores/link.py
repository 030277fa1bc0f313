"""The module keeps one connection to one database, made anew after anything unclean.

What a connection is made of is the driver's: see :meth:`Link._open` and the methods beside it.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Generic, Protocol, TypeVar

import anyio

from musterd.errors import MusterdError, ShardRefused, ShardUnavailable, StoreError
from musterd.resolving import shared
from musterd.stores.bounds import CLOSED, TOO_LITTLE_LEFT, Deadline, Mutex, time_left
from musterd.stores.errand import Errand
from musterd.stores.named_loop import Ways

LONGEST_CONNECTED = 300.0
"""Seconds after which :meth:`Link.freshen` connects anew to the address that it has. A proxy may
lead elsewhere by now; but a new connection costs a database some milliseconds, and the agent as many."""

LEAST_TO_CONNECT = 5.0
"""Seconds that a connect may take at least, whoever asked for it, where there is no other host."""


class Connected(Protocol):
    """A ``Connected`` is a live connection.

    ``reached`` is the name and the address of its host, None for a local socket; ``renewed_by`` is an
    instant of the loop's clock.
    """

    reached: tuple[str, str] | None
    renewed_by: float


S = TypeVar("S", bound=Connected)
T = TypeVar("T")


class Collision(ShardRefused):
    """Another session did the same at the same time; done again, it may well go through."""


class RefusesAll(ShardRefused):
    """Nothing can be done there now, whatever it is: no single request is to blame."""


class NotWritable(RefusesAll):
    """The server takes no changes now, as it is read-only or cut off; another one may."""


async def again(call: Callable[[], Awaitable[T]], attempts: int = 4) -> T:
    """Return what ``call`` returns, and make it again when it collides. Raises what the last one does."""
    for _ in range(attempts - 1):
        with suppress(Collision):
            return await call()
    return await call()


async def ensure_version(name: str, known: int, upgrade: Callable[[], Awaitable[int]]) -> None:
    """Have ``upgrade`` bring the tables of shard ``name`` up to the version that is ``known``.

    It returns the version that it found. Raises StoreError, also where that is a newer one.
    """
    version = await again(upgrade)
    if version > known:
        raise ShardRefused(
            name,
            f"its tables are of version {version}, made by a newer musterd; this one knows"
            f" {known}: upgrade this musterd",
        )


class Link(ABC, Generic[S]):
    """A ``Link`` is at most one connection, used by one call at a time, within its deadline.

    All callers share a connection that is being made: it has a deadline of its own, and a caller that
    gives up leaves it to the next in line. It ends with its caller only where not ``patient``. There
    are so many ``hosts`` to connect to.
    """

    def __init__(self, name: str, timeout: float, hosts: int, *, patient: bool) -> None:
        self.name = name
        self.timeout = timeout
        self._hosts = hosts
        self._patient = patient
        self._lock = Mutex()
        self._session: S | None = None
        self._connecting = Errand(self._connect, self._end)
        self._renewing = Errand(self._connect, self._end)
        self._ways: Ways = {}
        self._turn = 0
        self._closed = False

    @abstractmethod
    async def _open(self, limit: float) -> S:
        """Return a new connection, ready for use; ``limit`` seconds are left for it."""

    @abstractmethod
    def _end(self, session: S) -> None:
        """End the connection without waiting for the network."""

    @abstractmethod
    def _has_ended(self, session: S) -> bool:
        """Say whether it is of no use any more."""

    @abstractmethod
    def _translate(self, error: Exception, limit: float) -> StoreError | None:
        """Return what a failure of the driver or the network means; None for a fault of our own."""

    @abstractmethod
    def _is_wrong_server(self, error: BaseException) -> bool:
        """Say whether ``error`` means that this is not the server to be at."""

    @asynccontextmanager
    async def session(self, limit: float | None = None) -> AsyncIterator[S]:
        """Yield the connection, for the caller alone; connect if there is none.

        Waiting for it, connecting and what is done with it share one deadline. Whatever goes
        wrong, cancellation included, ends the connection, and raises StoreError if it came from
        the driver.
        """
        limit = self.timeout if limit is None else limit
        waits = self._lock.is_taken
        with self._in_words(limit), Deadline(self.name, limit):
            asked, given = anyio.current_time(), time_left()
            async with self._lock:
                if waits and time_left() < TOO_LITTLE_LEFT * given:
                    waited = anyio.current_time() - asked
                    raise ShardUnavailable(self.name, f"other calls took {waited:.1f} s before it")
                with self._refusing_all(limit):
                    session = await self._connected()
                try:
                    yield session
                except BaseException as error:
                    self._doubt(session, error)
                    self.drop()
                    raise

    async def renew(self) -> None:
        """Connect anew, and end the old connection only after that. Raises StoreError.

        So it takes what a newcomer takes: a server with no connection to spare refuses it. Calls
        go on over the old connection meanwhile.
        """
        with self._in_words(self.timeout), Deadline(self.name, self.timeout):
            session = await self._made(self._renewing)
            try:
                async with self._lock:
                    self._check_open()
                    self.drop()
                    self._session = session
            finally:
                if self._session is not session:
                    self._end(session)

    async def freshen(self) -> str:
        """Renew if its host's name has lost the address, or it is connected for very long.

        Returns the new address if it is another one, else an empty text. Raises StoreError.
        """
        session = self._session
        if session is None:
            return ""
        with self._in_words(self.timeout), Deadline(self.name, self.timeout):
            if anyio.current_time() < session.renewed_by and not await _has_moved(session):
                return ""
        await self.renew()
        now = self._session.reached if self._session else None
        return now[1] if now is not None and now != session.reached else ""

    def drop(self) -> None:
        """End the connection without waiting for the network; the next call connects anew."""
        session, self._session = self._session, None
        if session is not None:
            self._end(session)

    def pass_over(self) -> None:
        """End the connection, and begin with the next of the hosts."""
        self.drop()
        self._turn += 1

    def close(self) -> None:
        """End the connection as :meth:`drop` does, for good."""
        self._closed = True
        self.drop()
        for errand in self._connecting, self._renewing:
            errand.give_up()

    def _check_open(self) -> None:
        if self._closed:
            raise ShardUnavailable(self.name, CLOSED)

    async def _connected(self) -> S:
        while self._session is None or self._has_ended(self._session):
            self.drop()
            self._session = await self._made(self._connecting)
        return self._session

    async def _made(self, errand: Errand[S]) -> S:
        self._check_open()
        joins = errand.is_under_way
        try:
            made = await errand.outcome()
        except Exception:
            if not joins:
                raise
            made = await errand.outcome()  # what failed was begun earlier, for another caller
        finally:
            if not self._patient:
                errand.give_up()
        self._check_open()  # else it was ended before we woke
        return made

    async def _connect(self) -> S:
        limit = max(self.timeout, LEAST_TO_CONNECT) if self._hosts == 1 else self.timeout
        try:
            with anyio.fail_after(limit):
                return await self._open(limit)
        except BaseException:
            self._turn += 1  # a host that hangs must not be first in line again
            raise

    def _doubt(self, session: S, error: BaseException) -> None:
        """Begin elsewhere next time, if ``error`` means that this is not the server to be at."""
        if self._is_wrong_server(error):
            self._turn += 1
            self._leave(session.reached)

    def _leave(self, reached: tuple[str, str] | None) -> None:
        """Begin with another address of that host next time, if it has more."""
        if reached:
            host, address = reached
            self._ways[host].failed(address)

    @contextmanager
    def _refusing_all(self, limit: float) -> Iterator[None]:
        """Raise RefusesAll where a connection is refused."""
        try:
            with self._in_words(limit):
                yield
        except RefusesAll:
            raise
        except ShardRefused as error:
            raise RefusesAll(error.shard, error.reason) from None

    @contextmanager
    def _in_words(self, limit: float) -> Iterator[None]:
        try:
            yield
        except MusterdError:
            raise
        except Exception as error:
            self._check_open()  # drivers fail in ways of their own when their connection goes
            translated = self._translate(error, limit)
            if translated is None:
                raise
            raise translated from None


async def _has_moved(session: Connected) -> bool:
    if session.reached is None:
        return False
    host, address = session.reached
    return address not in await shared().addresses(host)


def milliseconds(seconds: float) -> int:
    """Return a time limit as databases take it, where 0 would mean none."""
    return max(1, int(seconds * 1000))
