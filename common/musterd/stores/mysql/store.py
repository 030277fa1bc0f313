"""The module opens MariaDB or MySQL as a store, by URL. One database is one shard."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from musterd.errors import ConfigError
from musterd.keys import Keyring
from musterd.stores.base import Guarantees, ShardWriter, Store
from musterd.stores.mysql.url import Target, parse_url

if TYPE_CHECKING:
    from musterd.stores.mysql.writer import MySqlWriter


def open_url(
    url: str, *, namespace: str, timeout: float, beat_ttl: float, keyring: Keyring | None = None
) -> Store:
    """Return the store of a ``mysql:`` or ``mariadb:`` URL; no beat ever expires there.

    Raises ConfigError for a bad URL, and where the driver is not installed.
    """
    del beat_ttl
    target = parse_url(url)
    check_driver()
    if target.tls:
        from musterd.stores.mysql.tls import tls_of

        tls_of(target.tls).context()  # raises what would be refused at each connect
    return Store(
        url=target.url,
        shard_names=(target.name,),
        replicas=1,
        guarantees=Guarantees.NEVER_EVICTS | Guarantees.SHARED,
        driver=MySqlDriver(target, namespace, timeout, keyring),
    )


def check_driver() -> None:
    """Raise ConfigError where the driver is missing: it is an extra, for it is large."""
    try:
        import asyncmy  # noqa: F401
    except ImportError:
        raise ConfigError(
            "mysql:// and mariadb:// need the driver asyncmy: pip install 'musterd[mysql]'"
        ) from None


@dataclass(frozen=True, slots=True)
class MySqlDriver:
    """A ``MySqlDriver`` has the one shard, and how it is used."""

    target: Target
    namespace: str
    timeout: float
    keyring: Keyring | None

    def writer(self, shard: int) -> ShardWriter:
        """Return an agent's way to the database."""
        del shard
        return self._writer()

    def _writer(self) -> "MySqlWriter":
        from musterd.stores.mysql.session import MySqlSession
        from musterd.stores.mysql.writer import MySqlWriter

        return MySqlWriter(MySqlSession(self.target, self.timeout), self.namespace, self.keyring)
