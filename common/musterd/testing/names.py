"""The module is a name service for tests, in the place of the system's, for this process.

::

    with FakeNames({"cache.test": ["127.0.0.2"]}) as names:
        names["cache.test"] = ["127.0.0.3"]   # it moved
        names.hang("cache.test")              # a look-up takes until names.answer("cache.test")
        del names["cache.test"]               # not found
"""

import socket
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from musterd.resolving import Resolver, sharing


class FakeNames(dict[str, Sequence[str]]):
    """A `FakeNames` has names and their addresses; ``asked`` counts the look-ups begun of each."""

    def __init__(self, names: Mapping[str, Sequence[str]] = {}) -> None:
        super().__init__(names)
        self.asked: Counter[str] = Counter()
        self.resolver = Resolver(self.look_up)
        self._hung: dict[str, threading.Event] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(sharing(self.resolver))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for name in tuple(self._hung):
            self.answer(name)
        self._stack.close()

    def hang(self, name: str) -> None:
        """Let look-ups of ``name`` take until :meth:`answer`."""
        self._hung[name] = threading.Event()

    def answer(self, name: str) -> None:
        """Answer the look-up of ``name`` that hangs, and those that come."""
        self._hung.pop(name).set()

    def look_up(self, name: str) -> Sequence[str]:
        """Return the addresses of ``name``; :class:`musterd.resolving.Resolver` calls this."""
        self.asked[name] += 1
        if name in self._hung:
            self._hung[name].wait()
        if name not in self:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self[name]
