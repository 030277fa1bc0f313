"""Host names become addresses in threads of our own: a look-up that hangs holds up nobody else.

A call of the system's ``getaddrinfo`` cannot be given up. Event loops run it in a few threads that
all names share, and wait for these at the end of the process. Here a name has one look-up at a
time, in a daemon thread, for all callers; each caller waits as long as it likes; and the addresses
that were found last go on to serve while a new look-up takes long, or fails.
"""

import asyncio
import ipaddress
import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from math import inf

import anyio

THREADS = 64
"""Look-ups under way at a time, each for another name; further names wait for one to end."""

NAMES = 1024
"""Names of which the last addresses are remembered."""

PATIENCE = 0.5
"""Seconds that a look-up may take before the addresses that the last one found are used."""

LookUp = Callable[[str], Sequence[str]]


class Book:
    """A ``Book`` knows what was found, and which look-ups are under way since when.

    It has no thread and no clock.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, ...]] = {}  # the name that was found last comes last
        self._begun: dict[str, float] = {}

    def start_lookup(self, name: str, now: float) -> bool:
        """Say whether a caller at ``now`` must begin a look-up: there is none under way."""
        if name in self._begun:
            return False
        self._begun[name] = now
        return True

    def end_lookup(self, name: str, found: Sequence[str]) -> None:
        """End the look-up of ``name``; nothing in ``found`` means that it failed."""
        self._begun.pop(name, None)
        if found:
            self._found.pop(name, None)
            self._found[name] = tuple(found)
            while len(self._found) > NAMES:
                del self._found[next(iter(self._found))]

    def known(self, name: str) -> tuple[str, ...]:
        """Return what was found last."""
        return self._found.get(name, ())

    def patience(self, name: str, now: float) -> float:
        """Return the seconds to wait for the look-up under way before :meth:`known` is as good."""
        if name not in self._found:
            return inf
        return max(0.0, self._begun.get(name, -inf) + PATIENCE - now)


class _Asked:
    """An ``_Asked`` is one look-up: what waits for it, and how it ended."""

    def __init__(self) -> None:
        self.waiters: set[Callable[[], None]] = set()
        self.failure: OSError | None = None


def system_look_up(name: str) -> Sequence[str]:
    """Return the addresses that the system gives for ``name``, best first. Raises OSError."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from None
    return [str(address[0]) for *_, address in found]


class Resolver:
    """A ``Resolver`` finds addresses by name, for threads and for tasks of asyncio and trio.

    ``look_up`` blocks until it knows, and raises OSError where it never will; ``clock`` gives
    monotonic seconds.
    """

    def __init__(
        self, look_up: LookUp = system_look_up, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._look_up = look_up
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Begin as when made: for the child of a fork, which has none of its parent's threads."""
        self._lock = threading.Lock()
        self._book = Book()
        self._asked: dict[str, _Asked] = {}
        self._queue: deque[str] = deque()
        self._threads = 0

    async def addresses(self, host: str) -> tuple[str, ...]:
        """Return the addresses of ``host``, at least one; of an address itself. Raises OSError.

        It takes as long as the caller's own deadline allows.
        """
        if is_address(host):
            return (host,)
        done = anyio.Event()
        wake = _waker(done)
        asked, patience = self._ask(host, wake)
        try:
            with anyio.move_on_after(patience):
                await done.wait()
        finally:
            self._leave(asked, wake)
        return self._answer(host, asked)

    def addresses_within(self, host: str, seconds: float) -> tuple[str, ...]:
        """Return what :meth:`addresses` does, for plain code.

        Raises TimeoutError after that many seconds.
        """
        if is_address(host):
            return (host,)
        done = threading.Event()
        asked, patience = self._ask(host, done.set)
        try:
            done.wait(max(0.0, min(seconds, patience, threading.TIMEOUT_MAX)))
        finally:
            self._leave(asked, done.set)
        return self._answer(host, asked)

    def _ask(self, name: str, wake: Callable[[], None]) -> tuple[_Asked, float]:
        with self._lock:
            now = self._clock()
            begins = self._book.start_lookup(name, now)
            asked = self._asked.setdefault(name, _Asked())
            asked.waiters.add(wake)
            patience = self._book.patience(name, now)
            if begins:
                self._queue.append(name)
                self._start_thread()
            return asked, patience

    def _leave(self, asked: _Asked, wake: Callable[[], None]) -> None:
        with self._lock:
            asked.waiters.discard(wake)

    def _answer(self, name: str, asked: _Asked) -> tuple[str, ...]:
        with self._lock:
            known = self._book.known(name)
        if known:
            return known
        raise asked.failure or TimeoutError(f"looking up {name} takes long")

    def _start_thread(self) -> None:
        if self._threads >= THREADS:
            return
        self._threads += 1
        try:
            threading.Thread(target=self._work, name="musterd-names", daemon=True).start()
        except RuntimeError:  # the system has no more threads to give
            self._threads -= 1
            while self._queue and not self._threads:
                self._end(self._queue.popleft(), OSError("no thread for a name look-up"))

    def _work(self) -> None:
        lock = self._lock
        while True:
            with lock:
                if not self._queue:
                    self._threads -= 1
                    return
                name = self._queue.popleft()
            outcome = self._outcome(name)
            with lock:
                self._end(name, outcome)

    def _outcome(self, name: str) -> tuple[str, ...] | OSError:
        try:
            found = tuple(dict.fromkeys(self._look_up(name)))
        except OSError as error:
            return error
        except Exception as error:  # noqa: BLE001 (or the callers that wait would wait for ever)
            return OSError(f"looking up {name}: {error!r}")
        return found or socket.gaierror(socket.EAI_NONAME, "no address")

    def _end(self, name: str, outcome: tuple[str, ...] | OSError) -> None:
        asked = self._asked.pop(name)
        if isinstance(outcome, OSError):
            asked.failure = outcome
            outcome = ()
        self._book.end_lookup(name, outcome)
        for wake in asked.waiters:
            wake()


def is_address(host: str) -> bool:
    """Say whether ``host`` is an IP address already, with a zone or without one."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _waker(done: anyio.Event) -> Callable[[], None]:
    """Return what sets ``done`` from another thread, if its event loop has not ended by then."""
    try:
        post: Callable[..., object] = asyncio.get_running_loop().call_soon_threadsafe
    except RuntimeError:
        import trio

        post = trio.lowlevel.current_trio_token().run_sync_soon

    def wake() -> None:
        with suppress(RuntimeError):
            post(done.set)

    return wake


_shared = Resolver()
os.register_at_fork(after_in_child=lambda: _shared.reset())


def shared() -> Resolver:
    """Return the one resolver of this process."""
    return _shared


@contextmanager
def sharing(resolver: Resolver) -> Iterator[None]:
    """Have the whole process use ``resolver`` until the block ends."""
    global _shared  # noqa: PLW0603  # one for the process
    before, _shared = _shared, resolver
    try:
        yield
    finally:
        _shared = before
