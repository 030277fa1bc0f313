"""The package opens stores by URL. It imports the driver of a scheme only when a URL asks for it.

==============================================  ==============================================
``memcached://h1:11211,h2:11211?replicas=2``    each server is one shard
``postgresql://user@host:5432/db``              one database is one shard
``mysql://user@host:3306/db``                   the same in MariaDB or MySQL (extra ``mysql``)
``relay://r1:11411,r2:11411``                   relays that write to PostgreSQL; for agents
``embedded://127.0.0.1:11311``                  the coordinator is the memcached server there
``memory:`` or ``memory:name``                  a table in this process
``nova+mysql://user@host/nova_api``             Nova's own tables, for coordinators that watch it
``nova+postgresql://user@host/nova_api``        the same in PostgreSQL
==============================================  ==============================================

``memcached+tls:``, ``relay+tls:`` and ``embedded+tls:`` are the same by TLS.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from musterd.errors import ConfigError
from musterd.keys import Keyring
from musterd.stores.base import Guarantees, ShardWriter, Store

if TYPE_CHECKING:
    from musterd.tls import Tls

__all__ = ["Guarantees", "ShardWriter", "Store", "open_store", "scheme_of"]

_DRIVERS = {
    "memcached": "musterd.stores.memcached.store",
    "memcached+tls": "musterd.stores.memcached.store",
    "embedded": "musterd.stores.memcached.store",
    "embedded+tls": "musterd.stores.memcached.store",
    "postgresql": "musterd.stores.postgres.store",
    "postgres": "musterd.stores.postgres.store",
    "mysql": "musterd.stores.mysql.store",
    "mariadb": "musterd.stores.mysql.store",
    "relay": "musterd.stores.relay",
    "relay+tls": "musterd.stores.relay",
    "memory": "musterd.stores.table.store",
    **dict.fromkeys(
        (f"nova+{name}" for name in ("mysql", "mariadb", "postgresql", "postgres")),
        "musterd.stores.nova.store",
    ),
}


def open_store(
    url: str,
    *,
    namespace: str,
    timeout: float,
    beat_ttl: float,
    keyring: Keyring | None = None,
    tls: "Tls | None" = None,
) -> Store:
    """Return the store that ``url`` names; connect to nothing yet.

    ``timeout`` bounds every call to a shard, in seconds. ``beat_ttl`` is how long, in seconds, a
    store that can forget keeps a beat that is not renewed. Members with a key in ``keyring`` are
    announced and beat signed. ``tls`` is for URLs by TLS; where it is missing those trust what the
    system trusts. Raises ConfigError for a URL that no driver can use; its text never has the URL's
    password.
    """
    scheme = scheme_of(url)
    if scheme not in _DRIVERS:
        raise ConfigError(
            f"store URL begins with {scheme!r}; it must be one of {', '.join(sorted(_DRIVERS))}"
        )
    driver = import_module(_DRIVERS[scheme])
    secured = {"tls": tls} if scheme.endswith("+tls") else {}
    store: Store = driver.open_url(
        url, namespace=namespace, timeout=timeout, beat_ttl=beat_ttl, keyring=keyring, **secured
    )
    return store


def scheme_of(url: str) -> str:
    """Return what says how a store is reached: ``nova+mysql`` of ``nova+mysql+pymysql://…``, too."""
    scheme = url.partition(":")[0]
    return "+".join(scheme.split("+")[:2])
