"""A store in a database under test, seen and changed by hand."""

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from musterd.beat import member_id
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores import Store
from musterd.stores.base import Driver
from musterd.stores.rowwriter import signed
from tests.contract.labs import AGENTS, NAMESPACE, PATIENT, Lab


class Tables(Protocol):
    """What runs SQL in a database as its superuser, and returns the rows."""

    def execute(self, sql: str) -> str: ...


class DatabaseLab(Lab):
    """One database. Its readers log in as ``owner``, and agents have no rights but theirs.

    SQL names a table ``{beat}``, whatever it is called there.
    """

    losses = ("beat", "canary", "everything")
    owner: str
    tables: str
    database: Tables

    def execute(self, sql: str) -> str:
        """Run SQL as the superuser; return the rows."""
        names = ("beat", "member", "challenge")
        for name in names:
            sql = sql.replace(f"{{{name}}}", f"{self.tables}{name}")
        return self.database.execute(sql)

    @abstractmethod
    async def make_tables(self) -> None:
        """Make them, as ``init-db`` does."""

    @abstractmethod
    def end_sessions(self) -> None:
        """Have the server hang up on everybody."""

    @property
    def forgets_beats(self) -> bool:
        """Say whether a start of the server empties the table of beats."""
        return False

    @abstractmethod
    def locked(self) -> AbstractAsyncContextManager[None]:
        """While this lasts, the rows of all members' beats are locked."""

    def lose(self, kind: str, member: Member) -> None:
        self.execute(
            {
                "beat": f"DELETE FROM {{beat}} {of(member)}",
                "canary": "DELETE FROM {beat} WHERE slot < 0",
                "everything": "TRUNCATE {beat}",
            }[kind]
        )

    def url_to(self, addresses: Sequence[str]) -> str:
        return self.url.replace(self.servers[0].address, addresses[0])

    def open(
        self,
        *,
        namespace: str = NAMESPACE,
        timeout: float = PATIENT,
        url: str | None = None,
        keyring: Keyring | None = None,
    ) -> Store:
        url = url or self.url
        others = super().open(namespace=namespace, timeout=timeout, url=url)
        theirs = url.replace(f"//{self.owner}:", f"//{AGENTS}:")
        agents = super().open(namespace=namespace, timeout=timeout, url=theirs, keyring=keyring)
        return replace(others, driver=self.with_agents(others.driver, agents.driver))

    @abstractmethod
    def with_agents(self, driver: Driver, agents: Driver) -> Driver:
        """What readers read by as they do by ``driver``, and agents write by as by ``agents``."""

    @abstractmethod
    def slots(self, number: int) -> range:
        """The slots of so many members, who came first."""

    @abstractmethod
    def seconds(self, number: float) -> str:
        """So many of them, as SQL has them behind INTERVAL."""

    @abstractmethod
    def in_hex(self, value: bytes) -> str:
        """These bytes as SQL."""

    def record(self, member: Member) -> bytes:
        """The beat that stands there."""
        return bytes.fromhex(
            self.execute(f"SELECT {self.hex_of('record')} FROM {{beat}} {of(member)}")
        )

    @abstractmethod
    def hex_of(self, column: str) -> str:
        """SQL that shows the bytes of a column."""

    @abstractmethod
    def announcement(self, member: Member) -> tuple[Member, bytes]:
        """What its row says of ``member``, and the mac of that."""

    @abstractmethod
    def tamper(self, told: Member, mac: bytes) -> None:
        """Say this of the member of that name, as one who may write there can."""

    def overwrite(self, member: Member, record: bytes) -> None:
        """Write this in place of its beat."""
        self.execute(f"UPDATE {{beat}} SET record = {self.in_hex(record)} {of(member)}")

    def put_challenge(self, value: bytes | None) -> None:
        """Write the challenge; None: lose it."""
        self.execute("DELETE FROM {challenge}")
        if value is not None:
            self.execute(f"INSERT INTO {{challenge}} VALUES ('{NAMESPACE}', {self.in_hex(value)})")

    def kept_challenge(self) -> bytes:
        """The challenge that coordinators keep."""
        return bytes.fromhex(self.execute(f"SELECT {self.hex_of('value')} FROM {{challenge}}"))


def of(member: Member) -> str:
    """The rows of ``member``, in SQL."""
    return f"WHERE member_id = {signed(member_id(NAMESPACE, member.group, member.name))}"
