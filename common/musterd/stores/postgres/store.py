"""The module opens PostgreSQL as a store, by URL. One database is one shard."""

from dataclasses import dataclass

from musterd.keys import Keyring
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd.stores.postgres.session import PgSession
from musterd.stores.postgres.url import Target, parse_url
from musterd.stores.postgres.writer import PostgresWriter


def open_url(
    url: str, *, namespace: str, timeout: float, beat_ttl: float, keyring: Keyring | None = None
) -> Store:
    """Return the store of a PostgreSQL URL; ``beat_ttl`` means nothing here, no beat ever expires.

    Raises ConfigError for a bad URL.
    """
    del beat_ttl
    target = parse_url(url)
    return Store(
        url=target.url,
        shard_names=(target.name,),
        replicas=1,
        guarantees=Guarantees.NEVER_EVICTS | Guarantees.SHARED,
        driver=PostgresDriver(target, namespace, timeout, keyring),
    )


@dataclass(frozen=True, slots=True)
class PostgresDriver:
    """A ``PostgresDriver`` has the one shard, and how it is used."""

    target: Target
    namespace: str
    timeout: float
    keyring: Keyring | None

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to the database."""
        del shard
        return PostgresWriter(PgSession(self.target, self.timeout), self.namespace, self.keyring)
