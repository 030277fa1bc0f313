"""The module has versions and a bounded log of what changed in each, for readers that follow."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import anyio
import numpy as np

from musterd.answers import MemberChange
from musterd_coordinator.judge.members import Rows

LOG_LIMIT = 10_000
"""Changes kept for readers that fell behind; a reader further behind starts afresh."""

ROWS_LIMIT = 100_000
"""Rows kept of which it is known in which version they changed: a tenth of the memory, and no words."""

_AT_ONCE = 200  # changes described in one step: a millisecond


def no_news() -> bool:
    """Say that whoever waits for a version waits for nothing else."""
    return False


class FollowedChanges(Protocol):
    """A `FollowedChanges` is what readers that follow may ask of a :class:`ChangeLog`."""

    async def wait(self, after: int, news: Callable[[], bool] = no_news) -> int:
        """Return the version as soon as it is another than ``after``, or there are ``news`` after a nudge."""

    def nudge(self) -> None:
        """Have all who wait look whether there are news besides."""

    async def flushed(self) -> None:
        """Return when everything that was published is in the log."""

    def has(self, version: int) -> bool:
        """Say whether every change after ``version`` is here."""

    def changes_since(self, version: int, group: str | None) -> Sequence[MemberChange] | None:
        """Return changes after ``version``, oldest first; None when they are not all here."""

    def rows_since(self, version: int) -> Rows | None:
        """Return the rows that changed after ``version``, ascending; None when not all are known."""

    def has_rows(self, version: int) -> bool:
        """Say whether :meth:`rows_since` knows all that changed after ``version``."""


class ChangeLog:
    """A `ChangeLog` collects what one sweep or order changes, and publishes it as one version.

    That happens at once; changes are described in steps after it. Until then they are not in the
    log, and readers that follow wait for them (:meth:`flushed`); before anything else changes they
    must be described (:meth:`flush`).

    ``first`` is the version to begin with. A coordinator begins each run with a greater one than it
    ever had, so that a reader's version of an earlier run is known to be too old.
    """

    def __init__(self, first: int, describe: Callable[[int], MemberChange]) -> None:
        self.version = first
        self._describe = describe
        self._log: deque[MemberChange] = deque()
        self._complete_after = first  # every change of later versions is in the log
        self._rows: dict[int, None] = {}
        self._gone: list[MemberChange] = []
        self._untold: deque[int] = deque()  # rows of the newest version, not yet described
        self._noticed = False
        self._published = anyio.Event()
        self._changed = ChangedRows(first)

    def touch(self, row: int) -> None:
        """Note that the member of ``row`` is not as it was, or is new."""
        if len(self._rows) <= LOG_LIMIT:  # beyond it which changed does not matter: see publish()
            self._rows[row] = None

    def touch_all(self, rows: Rows) -> None:
        """Note the same of many, all different."""
        if len(self._rows) <= LOG_LIMIT:
            self._rows.update(dict.fromkeys(rows[: LOG_LIMIT + 1].tolist()))

    def remove(self, row: int, last: MemberChange) -> None:
        """Note that the member of ``row`` is gone; ``last`` is what was last true of it."""
        self._rows.pop(row, None)
        if len(self._gone) <= LOG_LIMIT:
            self._gone.append(last)

    def notice(self) -> None:
        """Note that what belongs to no member changed, such as whether we are listening."""
        self._noticed = True

    def publish(self) -> None:
        """Make everything since the last call visible as one version, if there is anything.

        A few changes are described at once; more are left to :meth:`describe`.
        """
        self.flush()
        if not (self._rows or self._gone or self._noticed):
            return
        self.version += 1
        if len(self._rows) + len(self._gone) > LOG_LIMIT:
            self._log.clear()
            self._complete_after = self.version
            self._changed.forget(self.version)
        else:
            self._changed.add(self.version, self._rows)
            self._log.extend(self._gone)
            self._untold.extend(self._rows)
        self._rows, self._gone, self._noticed = {}, [], False
        if len(self._untold) <= _AT_ONCE:
            self.flush()
        self._wake()

    def describe(self) -> Iterator[None]:
        """Describe what was published, in steps."""
        while self._untold:
            self._describe_some(_AT_ONCE)
            if not self._untold:
                self._wake()
            yield

    def flush(self) -> None:
        """Describe all that was published as it is now: something else is about to change."""
        self._describe_some(len(self._untold))

    async def flushed(self) -> None:
        """Return when everything that was published is in the log."""
        while self._untold:
            await self._published.wait()

    def _describe_some(self, most: int) -> None:
        some = [self._untold.popleft() for _ in range(min(most, len(self._untold)))]
        self._log.extend(map(self._describe, some))
        self._shorten()

    def _wake(self) -> None:
        published, self._published = self._published, anyio.Event()
        published.set()

    async def wait(self, after: int, news: Callable[[], bool] = no_news) -> int:
        """Return the version as soon as it is another than ``after``, or there are ``news`` after a nudge."""
        while self.version == after and not news():
            await self._published.wait()
        return self.version

    def nudge(self) -> None:
        """Have all who wait look whether there are news besides."""
        self._wake()

    def has(self, version: int) -> bool:
        """Say whether every change after ``version`` is here."""
        return self._complete_after <= version <= self.version

    def changes_since(self, version: int, group: str | None) -> Sequence[MemberChange] | None:
        """Return changes after ``version``, oldest first; None when they are not all here."""
        if not self.has(version):
            return None
        return [
            change
            for change in self._log
            if change.version > version and (group is None or change.group == group)
        ]

    def rows_since(self, version: int) -> Rows | None:
        """Return the rows that changed after ``version``, ascending; None when not all are known."""
        return self._changed.since(version) if self.has_rows(version) else None

    def has_rows(self, version: int) -> bool:
        """Say whether :meth:`rows_since` knows all that changed after ``version``."""
        return self._changed.complete_after <= version <= self.version

    def _shorten(self) -> None:
        while len(self._log) > LOG_LIMIT:
            self._complete_after = self._log.popleft().version


class ChangedRows:
    """A `ChangedRows` keeps which rows changed in each of the last versions."""

    def __init__(self, first: int) -> None:
        self._versions: deque[tuple[int, Rows]] = deque()
        self.complete_after = first
        """The version after which all are known."""
        self._size = 0

    def add(self, version: int, rows: Iterable[int]) -> None:
        """Add those that changed in ``version``, and forget the oldest where they become too many."""
        if len(added := np.fromiter(rows, np.int64)):
            self._versions.append((version, added))
            self._size += len(added)
        while self._size > ROWS_LIMIT:
            self.complete_after, oldest = self._versions.popleft()
            self._size -= len(oldest)

    def forget(self, version: int) -> None:
        """Forget all, as in ``version`` too many changed."""
        self._versions.clear()
        self.complete_after, self._size = version, 0

    def since(self, version: int) -> Rows:
        """Return the rows that changed after ``version``, ascending."""
        newer = [rows for at, rows in reversed(self._versions) if at > version]
        return np.unique(np.concatenate(newer)) if newer else np.empty(0, np.int64)
