"""`musterd notify` runs until it is told to stop."""

import os
from collections.abc import Callable
from math import inf
from pathlib import Path

import anyio
import structlog

from musterd.errors import ConfigError
from musterd.keyfiles import read_private
from musterd.settings.declared.notify import check_key
from musterd.settings.login import token_in
from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings
from musterd.systemd import Systemd
from musterd.tls import client_tls
from musterd_coordinator.notify.alertmanager import Alertmanager
from musterd_coordinator.notify.endpoint import Endpoint
from musterd_coordinator.notify.memory import Memory
from musterd_coordinator.notify.program import Program
from musterd_coordinator.notify.service import Notifier
from musterd_coordinator.notify.webhook import Webhook
from musterd_coordinator.process.daemon import keep_telling, stop_on_signal

log = structlog.get_logger(__name__)

STATE_FILE = "musterd-notify.json"


def run(settings: Settings, reread: Reread | None = None) -> int:
    """Tell of incidents until SIGTERM or SIGINT; return the exit status. Raises ConfigError.

    ``reread`` loads the settings anew when SIGHUP asks for it.
    """
    anyio.run(serve, settings, reread)
    return 0


async def serve(settings: Settings, reread: Reread | None = None) -> None:
    """Run a whole notifier."""
    systemd = Systemd.from_environment(os.environ)
    notifier = notifier_of(settings)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop_on_signal, "notifier stopping", tasks.cancel_scope, systemd)
        tasks.start_soon(notifier.run)
        log.info("notifier started", coordinators=len(notifier.voices))
        systemd.notify(READY="1")
        if reread:
            tasks.start_soon(Reloading(settings, reread, Role.NOTIFY).run, systemd)
        await keep_telling(systemd, notifier.summary)


def notifier_of(settings: Settings) -> Notifier:
    """Return what ``settings`` ask for, within an event loop; raise ConfigError where that cannot be."""
    endpoint, url = endpoint_of(settings)
    return Notifier(
        settings.coordinator,
        endpoint,
        Memory(Path(settings.notify_state or STATE_FILE), url),
        token=token_in(settings),
        tls=client_tls(settings),
        heartbeat=settings.notify_heartbeat or inf,
    )


def endpoint_of(settings: Settings) -> tuple[Endpoint, str]:
    """Return the one endpoint that is asked for, and what names it. Raises ConfigError."""
    made: dict[str, Callable[[str], Endpoint]] = {
        "webhook": lambda url: Webhook(url, key_of(settings), settings.notify_ca_file),
        "exec": lambda command: Program(command),
        "alertmanager": lambda urls: Alertmanager(
            urls, settings.notify_heartbeat or 0.0, settings.notify_ca_file
        ),
    }
    given = {kind: getattr(settings, f"notify_{kind}") for kind in made}
    asked = [kind for kind, value in given.items() if value is not None]
    if len(asked) != 1:
        says = f"{' and '.join(asked)} are given" if asked else "nothing is given"
        raise ConfigError(
            f"musterd notify tells one endpoint, and {says}: give one of --webhook URL, --exec CMD and"
            " --alertmanager URL, and run another one for each other"
        )
    kind = asked[0]
    return made[kind](given[kind]), f"{kind} {given[kind]}"


def key_of(settings: Settings) -> str | None:
    """Return the key that signs, of the settings or of the file they name; None: neither."""
    if settings.notify_key is not None or settings.notify_key_file is None:
        return settings.notify_key
    path = Path(settings.notify_key_file).expanduser()
    text = read_private(path, "webhook key file").strip()
    try:
        return check_key(text)
    except ValueError as error:
        raise ConfigError(f"the webhook key file {path}: {error}") from None
