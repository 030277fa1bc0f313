"""What a fleet of the lab is locked with: nothing, or TLS, logins, keys, signatures and tokens.

Everything that a lab starts is started here, so that each fault is told once and happens to both.
"""

from itertools import count

import anyio

from musterd.keys import fleet_key_text, member_key, member_key_text
from musterd.orders import Origin
from musterd.testing.authority import Authority
from musterd.testing.daemons import Agent, Coordinator, Relay, Setting
from musterd.testing.mariadb import MariaDb
from musterd.testing.processes import HOST, owned_directory
from musterd.testing.proxy import Inside
from musterd.testing.secured import (
    LockedMariaDb,
    SecuredMemcached,
    SecuredPgBouncer,
    SecuredPostgres,
)
from musterd.testing.servers import Memcached, PgBouncer, Postgres
from musterd.tokens import Rank, TokenOrder
from musterd_coordinator.service.token_office import token_office

GROUP = "compute"
NAMESPACE = "musterd"
FLEET_KEY = b"a fleet key of thirty-two bytes!"
LOGIN = {"fleet": "p@ss/w:rd"}


class Open:
    """An `Open` fleet is as on one host: whoever is there is trusted."""

    are_on = False

    def memcached(self, *args: str) -> Memcached:
        return Memcached(*args)

    def postgres(self, **settings: object) -> Postgres:
        return Postgres(**settings)

    def pgbouncer(self, postgres: Postgres, **settings: object) -> PgBouncer:
        return PgBouncer(postgres, **settings)

    def mariadb(self, **settings: object) -> MariaDb:
        return MariaDb(**settings)

    def embedded(self, port: int) -> str:
        """The URL of an embedded store."""
        return f"embedded://{HOST}:{port}"

    def coordinator(self, store: str, **settings: Setting) -> Coordinator:
        return Coordinator(store, **settings)

    def agent(self, store: str, *names: str, **settings: Setting) -> Agent:
        return Agent(store, *names, **settings)

    def relay(self, store: str, **settings: Setting) -> Relay:
        return Relay(store, **settings)

    @property
    def inside(self) -> Inside:
        """What a proxy needs to read and change what passes."""
        return Inside()


class Locked(Open):
    """A `Locked` fleet is as docs/security.md says: signatures are required, and tokens."""

    are_on = True

    def __init__(self, authority: Authority) -> None:
        self._directory = owned_directory(None)
        self._ca = authority.file
        self._shown = authority.issue("fleet")
        self._key_file = self._directory / "fleet.key"
        self._key_file.touch(mode=0o600)
        self._key_file.write_text(fleet_key_text(FLEET_KEY))
        self._registries = count()

    def memcached(self, *args: str) -> Memcached:
        return SecuredMemcached(*args, certificate=self._shown, passwords=LOGIN)

    def postgres(self, **settings: object) -> Postgres:
        return SecuredPostgres(self._shown, self._ca, **settings)

    def pgbouncer(self, postgres: Postgres, **settings: object) -> PgBouncer:
        return SecuredPgBouncer(postgres, self._shown, **settings)

    def mariadb(self, **settings: object) -> MariaDb:
        return LockedMariaDb(self._shown, self._ca, **settings)

    def embedded(self, port: int) -> str:
        return f"embedded+tls://{HOST}:{port}"

    def coordinator(self, store: str, **settings: Setting) -> Coordinator:
        registry = self._registry_beside(store)
        token = _operators_token(registry)
        return Coordinator(store, token, registry=registry, **self._server, **settings)

    def agent(self, store: str, *names: str, **settings: Setting) -> Agent:
        keys = "\n".join(f"{GROUP}/{name} {key_text(name)}" for name in names)
        return Agent(store, *names, member_key=keys, ca_file=self._ca, **settings)

    def relay(self, store: str, **settings: Setting) -> Relay:
        return Relay(store, **self._server, **settings)

    @property
    def inside(self) -> Inside:
        return Inside(self._shown.serving(), self._shown.trusting())

    @property
    def _server(self) -> dict[str, Setting]:
        return {
            "fleet_key_file": str(self._key_file),
            "tls_cert_file": self._shown.cert,
            "tls_key_file": self._shown.key,
            "ca_file": self._ca,
        }

    def _registry_beside(self, store: str) -> str:
        if store.startswith(("postgresql:", "mysql:")):
            return store
        return f"sqlite:///{self._directory}/{next(self._registries)}.db"


def key_text(name: str) -> str:
    """What `musterd key` prints for a member."""
    return member_key_text(member_key(FLEET_KEY, NAMESPACE, GROUP, name))


def _operators_token(registry: str) -> str:
    async def create() -> str:
        async with token_office(registry, NAMESPACE, 10.0, Origin("lab")) as office:
            order = TokenOrder("operator", Rank.OPERATOR)
            return (await office.create_token(order)).text

    return anyio.run(create)
