"""The process ``musterd agent`` takes settings in and gives beats out, until a signal."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from musterd.errors import ConfigError
from musterd.keys import Keyring
from musterd.log import flush
from musterd.logger import get_logger
from musterd.renewal import Renewable
from musterd.settings.keyring import renewable_keyring
from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings
from musterd.stores import Guarantees, Store, open_store
from musterd.systemd import Systemd
from musterd.tls import client_tls
from musterd_agent.agent import LEAVE_TIMEOUT, Agent
from musterd_agent.shard import say

if TYPE_CHECKING:
    from musterd_agent.metricsfile import MetricsFile

log = get_logger(__name__)

_STOP = (signal.SIGTERM, signal.SIGINT)
_FORCED_END = LEAVE_TIMEOUT + 0.2  # seconds after the signal
_LAST_LINES = 0.1  # seconds for what is still to be logged then


def run(settings: Settings, reread: Reread | None = None) -> int:
    """Beat for the members of ``settings`` until SIGTERM or SIGINT; return the exit status.

    ``reread`` loads the settings anew when SIGHUP asks for it. Raises ConfigError for a store that
    cannot be used. A store that does not answer is no error: the agent starts, and waits for it.
    """
    keys = renewable_keyring(settings)
    store = open_agent_store(settings, keys)
    if Guarantees.SHARED not in store.guarantees:
        raise ConfigError(
            f"store {store.url} is inside one process, so that no coordinator would see this"
            " agent's beats; use memcached://, postgresql:// or embedded://"
        )
    anyio.run(_serve, store, settings, keys, reread)
    signal.setitimer(signal.ITIMER_REAL, 0.0)  # no thread is left that could hold up the end
    return 0


def open_agent_store(settings: Settings, keys: Renewable[Keyring] | None) -> Store:
    """Open the store of ``settings`` with the deadlines of an agent. Raises ConfigError."""
    return open_store(
        settings.store,
        namespace=settings.namespace,
        timeout=settings.effective_push_timeout,
        beat_ttl=settings.beat_ttl,
        keyring=keys.current() if keys else None,
        tls=client_tls(settings),
    )


async def _serve(
    store: Store, settings: Settings, keys: Renewable[Keyring] | None, reread: Reread | None
) -> None:
    systemd = Systemd.from_environment(os.environ)
    agent = Agent(store, settings, keys=keys, changed=lambda: systemd.notify(STATUS=agent.summary))

    def renew() -> None:
        if keys is not None:
            keys.look(patient=False)

    metrics = _metrics_file(settings, agent)
    with anyio.open_signal_receiver(*_STOP) as signals:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(agent.run)
            tasks.start_soon(feed_watchdog, systemd, agent)
            if reread:
                tasks.start_soon(Reloading(settings, reread, Role.AGENT, renew=renew).run, systemd)
            if metrics:
                tasks.start_soon(metrics.run)
            systemd.notify(READY="1", STATUS="sending the first beats")
            _say_started(store, settings, agent)
            number = await anext(signals)
            tasks.cancel_scope.cancel()
    _end_by_force()
    systemd.notify(STOPPING="1", STATUS="leaving")
    told = await agent.leave()
    say(log.info, "agent left", signal=signal.Signals(number).name, told=told)
    if metrics:
        metrics.remove()
    await agent.aclose()
    systemd.close()


def _metrics_file(settings: Settings, agent: Agent) -> "MetricsFile | None":
    if settings.metrics_file is None:
        return None
    from musterd_agent.metricsfile import MetricsFile  # 2 MB that others need not have

    return MetricsFile(Path(settings.metrics_file), agent.figures)


async def feed_watchdog(systemd: Systemd, agent: Agent) -> None:
    """Reassure systemd while the loop runs and every member's beats leave on time.

    Whether the store takes them does not matter: a restart of the agent would not mend a store.
    """
    if systemd.watchdog is None:
        return
    period = systemd.watchdog / 2
    while True:
        if agent.overdue() < period:
            systemd.notify(WATCHDOG="1")
        await anyio.sleep(period)


def _say_started(store: Store, settings: Settings, agent: Agent) -> None:
    members = settings.members
    facts = {"store": store.url, "shards": list(agent.shards), "members": len(members)}
    if len(members) == 1:
        facts["member"] = f"{members[0].group}/{members[0].member}"
        facts["interval"] = members[0].interval
    if settings.has_key:
        facts["signed"] = True
    say(log.info, "agent started", **facts, incarnation=f"{agent.incarnation:016x}")


def _end_by_force() -> None:
    """Make sure of the end: another signal ends the process at once, and so does time.

    It is needed because a name look-up that hangs sits in a thread, for which Python would wait.
    """
    for number in _STOP:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, lambda *_: _end_now())
    signal.setitimer(signal.ITIMER_REAL, _FORCED_END)


def _end_now() -> None:
    flush(_LAST_LINES)
    os._exit(0)
