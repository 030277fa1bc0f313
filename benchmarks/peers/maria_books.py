"""The module reads what a MariaDB says of itself: how far its log is, and what it was asked."""

from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import BlockingPortal

from benchmarks.bulk import TIMEOUT
from benchmarks.peers.meter import Sender
from musterd.stores.mysql.session import MySqlSession
from musterd.stores.mysql.url import parse_url


class MariaBooks:
    """These are the :class:`~benchmarks.peers.meter.Ledger` of a MariaDB."""

    def __init__(self, portal: BlockingPortal, link: MySqlSession) -> None:
        self._portal = portal
        self._link = link

    @classmethod
    @contextmanager
    def open(cls, portal: BlockingPortal, url: str) -> Iterator["MariaBooks"]:
        """Open the books of the server of ``url``, by a connection that stays open."""
        books = cls(portal, MySqlSession(parse_url(url), TIMEOUT))
        try:
            yield books
        finally:
            portal.call(books._link.close)

    def wal(self) -> int:
        """Return the bytes of InnoDB's log written so far."""
        return self._status("Innodb_lsn_current", "Innodb_redo_log_current_lsn")

    def checkpoint(self) -> None:
        """Do nothing: InnoDB's log has no images of pages that a checkpoint would call for."""

    def statements(self, send: Sender, count: int) -> float:
        """Return what the server is asked per heartbeat, BEGIN and COMMIT included."""
        send(count)
        before = self._status("Questions")
        spent = send(count)
        asked = self._status("Questions") - before - 1  # the last look
        return asked / spent.beats

    def _status(self, *names: str) -> int:
        """Return what is called by one of ``names``: MariaDB and MySQL have others."""
        return self._portal.call(self._read, ",".join(f"'{name}'" for name in names))

    async def _read(self, names: str) -> int:
        async with self._link.session() as session:
            rows = (await session.once(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})")).rows
        return int(rows[0][1])
