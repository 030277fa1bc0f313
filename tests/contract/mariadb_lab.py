"""A MariaDB under test, seen and changed by hand."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from musterd.beat import member_id
from musterd.keys import Keyring
from musterd.model import Member
from musterd.stores import ShardWriter, Store
from musterd.stores.base import Driver
from musterd.stores.mysql.schema import init_sql
from musterd.stores.mysql.store import MySqlDriver
from musterd.stores.rowwriter import signed
from musterd.testing.mariadb import SUPERUSER, MariaDatabase, MariaDb
from tests.contract.labs import AGENTS, NAMESPACE, PATIENT, Lab

COORDINATORS = "musterd_coordinators"


@dataclass(frozen=True)
class TwoAccounts(MySqlDriver):
    """A database whose readers have the rights of coordinators, and ``agents`` those of agents."""

    agents: Driver

    def writer(self, shard: int) -> ShardWriter:
        return self.agents.writer(shard)


class MariaLab(Lab):
    """One MariaDB database, where everybody has no rights but theirs."""

    losses = ("beat", "canary", "everything")

    def __init__(self, database: MariaDatabase) -> None:
        self.servers = [database.server]
        self.database = database
        self.url = database.server.url_of(database.name, COORDINATORS)

    def lose(self, kind: str, member: Member) -> None:
        self.database.execute(
            {
                "beat": f"DELETE FROM musterd_beat {_of(member)}",
                "canary": "DELETE FROM musterd_beat WHERE slot < 0",
                "everything": "TRUNCATE musterd_beat",
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
        theirs = url.replace(f"//{COORDINATORS}:", f"//{AGENTS}:")
        agents = super().open(namespace=namespace, timeout=timeout, url=theirs, keyring=keyring)
        driver = others.driver
        assert isinstance(driver, MySqlDriver)
        both = TwoAccounts(
            driver.target, driver.namespace, driver.timeout, driver.keyring, agents.driver
        )
        return replace(others, driver=both)

    def record(self, member: Member) -> bytes:
        """The beat that stands there."""
        return bytes.fromhex(
            self.database.execute(f"SELECT HEX(record) FROM musterd_beat {_of(member)}")
        )

    def announcement(self, member: Member) -> tuple[Member, bytes]:
        """What its row says of ``member``, and the mac of that."""
        told = self.database.execute(
            "SELECT HEX(zone), HEX(owner), HEX(metadata), COALESCE(HEX(mac), '')"
            f" FROM musterd_member {_of(member)}"
        )
        zone, owner, metadata, mac = (bytes.fromhex(text) for text in f"{told}\t".split("\t")[:4])
        facts = json.loads(metadata)
        return Member(member.group, member.name, zone.decode(), owner.decode(), facts), mac

    def tamper(self, told: Member, mac: bytes) -> None:
        """Say this of the member of that name, as one who may write there can."""
        self.database.execute(
            f"UPDATE musterd_member SET zone = '{told.zone}', owner = '{told.owner}',"
            f" mac = NULLIF(x'{mac.hex()}', ''), version = UUID_SHORT() {_of(told)}"
        )

    def overwrite(self, member: Member, record: bytes) -> None:
        """Write this in place of its beat."""
        self.database.execute(f"UPDATE musterd_beat SET record = x'{record.hex()}' {_of(member)}")

    def challenge(self, value: bytes | None) -> None:
        """Write the challenge; None: lose it."""
        self.database.execute("DELETE FROM musterd_challenge")
        if value is not None:
            self.database.execute(
                f"INSERT INTO musterd_challenge VALUES ('{NAMESPACE}', x'{value.hex()}')"
            )


def _of(member: Member) -> str:
    return f"WHERE member_id = {signed(member_id(NAMESPACE, member.group, member.name))}"


def prepare(server: MariaDb) -> None:
    """Make the accounts."""
    for account in (AGENTS, COORDINATORS):
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{server.password}'")


@contextmanager
def mariadb_lab(server: MariaDb) -> Iterator[MariaLab]:
    """A database of the test's own, with the tables in it."""
    with server.database() as database:
        database.execute(init_sql(AGENTS, COORDINATORS, database.name))
        lab = MariaLab(database)
        assert SUPERUSER not in lab.url
        try:
            yield lab
        finally:
            lab.close()
            database.execute(
                "".join(
                    f"REVOKE ALL ON PROCEDURE {database.name}.musterd_{name} FROM {account};\n"
                    for name in ("announce", "beat", "beat_look", "retire")
                    for account in (AGENTS, COORDINATORS)
                )
            )
