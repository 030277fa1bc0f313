"""The module runs the servers of a run: the user's or our own, and the coordinator that sweeps."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.load.listeners import listener
from benchmarks.load.settings import Settings
from benchmarks.stores import make_tables, musterd_tables, postgres_for, setting_of
from musterd.errors import ConfigError
from musterd.testing.daemons import Coordinator, Relay
from musterd.testing.servers import HOST, Memcached, held_port
from musterd.urls import without_secret

MEGABYTE = 2**20
MEMBER_BYTES = 600
"""What memcached needs for the three keys of a member, with room to spare."""


@dataclass(slots=True)
class Stage:
    """A `Stage` is what there is to measure.

    ``store`` is the coordinator's store URL and ``beats_to`` the agents'; ``servers`` are process
    IDs by name, of those on this host; ``tables`` is the PostgreSQL behind it all, if there is one.
    """

    store: str
    beats_to: str
    tables: str | None = None
    servers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    setting: str = ""
    is_own: bool = True


@contextmanager
def open_stage(settings: Settings) -> Iterator[Stage]:
    """Start what has to run before members are announced, and end it afterwards."""
    with ExitStack() as stack:
        yield _STAGES.get(settings.store, _users_own)(settings, stack)


@contextmanager
def coordinator(stage: Stage, settings: Settings, namespace: str) -> Iterator[Coordinator]:
    """Yield the coordinator of a run, not started yet; its registry goes with it."""
    daemon = Coordinator(
        stage.store,
        namespace=namespace,
        registry="sqlite:///musterd.db",
        service_down_time=settings.service_down_time,
        sweep_period=settings.sweep_period,
        log_level="warning",
    )
    try:
        yield daemon
    finally:
        daemon.close()


def _memcached(settings: Settings, stack: ExitStack) -> Stage:
    megabytes = 64 + settings.agents * MEMBER_BYTES // MEGABYTE
    connections = settings.lanes * settings.processes + 64
    options = ["-m", str(megabytes), "-t", str(settings.threads), "-c", str(connections)]
    server = stack.enter_context(Memcached(*options))
    setting = " ".join(["memcached", *options])
    return Stage(server.url, server.url, servers={"memcached": [server.pid]}, setting=setting)


def _postgresql(settings: Settings, stack: ExitStack) -> Stage:
    connections = settings.lanes * settings.processes + 50
    server = stack.enter_context(postgres_for(settings.agents, max_connections=connections))
    url = stack.enter_context(musterd_tables(server)).dsn
    return Stage(url, url, url, {"PostgreSQL": [server.pid]}, setting_of(server))


def _embedded(settings: Settings, stack: ExitStack) -> Stage:
    del settings
    url = f"embedded://{HOST}:{stack.enter_context(held_port())}"
    return Stage(url, url, setting="embedded, within the coordinator")


def _relay(settings: Settings, stack: ExitStack) -> Stage:
    stage = _postgresql(settings, stack)
    relays = [stack.enter_context(Relay(stage.store)) for _ in range(settings.relays)]
    stage.beats_to = "relay://" + ",".join(relay.address for relay in relays)
    stage.servers = {**stage.servers, "relay": [relay.pid for relay in relays]}
    stage.setting = f"{settings.relays} relay(s), {stage.setting}"
    return stage


def _users_own(settings: Settings, stack: ExitStack) -> Stage:
    del stack
    url = settings.store
    if url.startswith("embedded:"):
        raise ConfigError(
            "an embedded store is within its coordinator: say --store embedded for one of our own"
        )
    tables = url if settings.is_postgres else None
    if settings.relay is not None and tables is None:
        raise ConfigError(f"relays write to PostgreSQL and the store is {without_secret(url)}")
    if tables is not None:
        make_tables(tables)
    stage = Stage(url, settings.relay or url, tables, setting=without_secret(url), is_own=False)
    for role, where in (("server", url), ("relay", settings.relay)):
        if where is not None and (pid := listener(where)) is not None:
            stage.servers = {**stage.servers, role: [pid]}
    return stage


_STAGES = {
    "memcached": _memcached,
    "postgresql": _postgresql,
    "embedded": _embedded,
    "relay": _relay,
}
