"""A standby of a PostgreSQL: a second real server that follows the first by streaming."""

from contextlib import suppress

from musterd.testing.processes import START_TIMEOUT, Server, ServerError, find_program, spawn
from musterd.testing.servers import Postgres


class Standby(Postgres):
    """A read-only standby of ``primary``, which must run when this is made."""

    def __init__(self, primary: Postgres) -> None:
        Server.__init__(self)
        self.settings = primary.settings
        self.data = self.directory / "data"
        self._copy(primary)

    def promote(self) -> None:
        """Make it a primary, as an operator or a cluster manager does."""
        self.execute("SELECT pg_promote()")

    def _copy(self, primary: Postgres) -> None:
        program = str(find_program("initdb", "postgresql").with_name("pg_basebackup"))
        command = [program, "-D", str(self.data), "-d", primary.dsn]
        with (self.directory / "log").open("ab") as log:
            options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
            copying = spawn([*command, *options], self.directory, self.account, log.fileno())
        if copying.wait(START_TIMEOUT):
            raise ServerError(f"pg_basebackup failed:\n{self.log}")

    def _is_ready(self) -> bool:
        with suppress(FileNotFoundError):
            lines = (self.data / "postmaster.pid").read_text().split("\n")
            return lines[0] == str(self.pid) and lines[7:8] in (["standby "], ["ready   "])
        return False
