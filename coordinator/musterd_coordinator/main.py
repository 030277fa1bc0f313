"""`musterd coordinator`: runs until it is told to stop."""

import os
from functools import partial

import anyio
import structlog

from musterd.settings import Settings
from musterd.systemd import Systemd
from musterd_coordinator.daemon import keep_telling, stop_on_signal
from musterd_coordinator.http.app import make_app
from musterd_coordinator.http.server import serve_http
from musterd_coordinator.office import Office
from musterd_coordinator.service import running

log = structlog.get_logger(__name__)


def run(settings: Settings) -> int:
    """Run a coordinator until SIGTERM or SIGINT; the exit status.

    Raises ConfigError or RegistryError when it cannot begin.
    """
    anyio.run(serve, settings, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings) -> None:
    """A whole coordinator: sweeps, registry and HTTP."""
    systemd = Systemd.from_environment(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(stop_on_signal, "coordinator stopping", stopper.cancel_scope, systemd)
        async with running(settings) as office, anyio.create_task_group() as tasks:
            urls: list[str] = await tasks.start(serve_http, make_app(office), settings.listen)
            _say_started(office, urls)
            systemd.tell(READY="1")
            await keep_telling(systemd, partial(_summary, office))


def _say_started(office: Office, urls: list[str]) -> None:
    status = office.status()
    log.info(
        "coordinator started",
        listen=" ".join(urls),
        store=status.store,
        registry=status.registry,
        members=status.members,
    )


def _summary(office: Office) -> str:
    status = office.status()
    listening = sum(shard.listening for shard in status.shards)
    shards = f"listening to {listening} of {len(status.shards)} shards"
    return f"{shards}, {status.members} members"
