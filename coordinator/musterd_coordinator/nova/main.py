"""`musterd nova` runs until it is told to stop."""

import os
import sys
from functools import partial

import anyio
import structlog

from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings
from musterd.systemd import Systemd, passed_sockets
from musterd_coordinator.limits.descriptors import allow_all
from musterd_coordinator.nova.service import running
from musterd_coordinator.process.daemon import keep_telling, lasting, stop_on_signal
from musterd_coordinator.process.garbage import settle

log = structlog.get_logger(__name__)

TURN = 0.0005
"""Seconds that another thread may keep answers waiting: as in a coordinator."""


def run(settings: Settings, reread: Reread | None = None) -> int:
    """Run the door until SIGTERM or SIGINT; return the exit status. Raises ConfigError.

    ``reread`` loads the settings anew when SIGHUP asks for it.
    """
    allow_all()
    sys.setswitchinterval(TURN)
    anyio.run(serve, settings, reread, backend_options={"use_uvloop": True})
    return 0


async def serve(settings: Settings, reread: Reread | None = None) -> None:
    """Run a whole door."""
    systemd = Systemd.from_environment(os.environ)
    passed = passed_sockets(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(stop_on_signal, "door closing", stopper.cancel_scope, systemd)
        async with (
            running(settings, systemd, passed) as service,
            anyio.create_task_group() as tasks,
        ):
            door = service.door
            log.info(
                "door open",
                listen=door.server.address,
                groups=settings.nova_groups,
                members=len(service.following.verdicts),
                connections=door.server.connections,
            )
            systemd.notify(READY="1")
            tasks.start_soon(lasting, "settle", partial(settle, lambda: True))
            if reread:
                reloading = Reloading(settings, reread, Role.NOVA, renew=service.renew)
                tasks.start_soon(reloading.run, systemd)
            await keep_telling(systemd, door.summary)
