"""`musterd shadow` watches Nova as a coordinator does, for nobody but its trace.

It has no door, not even on loopback: an answer of it could be taken for one of a coordinator that is in
use, and port 8420 may be taken. Its registry is in a temporary folder, so that it begins afresh each time,
and shares nothing with a coordinator's. In Nova's databases it writes a canary of its own, as each
coordinator does.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

import anyio
from msgspec.structs import replace

from musterd.errors import ConfigError
from musterd.settings.options import Role
from musterd.settings.reload import Reloading, Reread
from musterd.settings.settings import Settings, aloud
from musterd.systemd import Systemd
from musterd_coordinator.process.daemon import keep_telling, stop_on_signal
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.service.orders import CoordinatorService
from musterd_coordinator.tracing.opening import folder_of
from musterd_coordinator.wiring import LIVE, running

TRACE_DIR = "musterd-trace"
"""The folder of the trace where none is named: in that where the command was given."""


Again = Callable[[CoordinatorService], Reloading]
"""Makes what SIGHUP does out of what records."""

Say = Callable[[str], None]
"""Says a line to whoever gave the command."""

_say = partial(print, flush=True)


def run(
    settings: Settings,
    reread: Reread | None = None,
    span: float | None = None,
    say: Say = _say,
) -> int:
    """Watch and record for ``span`` seconds, or until SIGTERM or SIGINT; return the exit status.

    ``reread`` loads the settings anew when SIGHUP asks for it. Raises ConfigError where no database of
    Nova's is named, or the folder cannot be used.
    """
    again = None if reread is None else partial(reloading, settings, reread)
    with TemporaryDirectory(prefix="musterd-shadow-") as temporary:
        quiet = alone(settings, Path(temporary))
        check_folder(quiet)
        tell(quiet, span, time(), say)
        anyio.run(serve, quiet, span, again, backend_options={"use_uvloop": True})
    say(f"recorded; musterd report {quiet.trace_dir} tells what came of it")
    return 0


def alone(settings: Settings, temporary: Path) -> Settings:
    """Return ``settings`` as of a coordinator of Nova's databases alone, which nobody asks."""
    if settings.nova_url is None:
        raise ConfigError(
            f"store {aloud('store', settings.store)} is no database of Nova's; name it with --nova"
            " nova+mysql://user@host/nova_api, and where that takes a password, in the environment:"
            " MUSTERD_STORE=nova+mysql://user:password@host/nova_api"
        )
    return replace(
        settings,
        store=settings.nova_url,
        watch=None,
        registry=f"sqlite:///{temporary}/registry.db",
        listen="",
        nova_listen=None,
        signatures="off",
        fleet_key_file=None,
        trace_dir=str(Path(settings.trace_dir or TRACE_DIR).absolute()),
    )


def check_folder(settings: Settings) -> None:
    """Make the folder of the trace, or raise ConfigError: without it there is nothing to do."""
    folder = folder_of(settings)
    try:
        folder.open()
    except OSError as error:
        raise ConfigError(
            f"trace_dir {folder.path}: {error.strerror or error}; name another folder with --trace-dir"
        ) from None
    finally:
        folder.close()


def tell(settings: Settings, span: float | None, wall: float, say: Say) -> None:
    """Say what is done from ``wall`` on (Unix seconds), for how long, and where it is recorded."""
    until = "until it is told to stop" if span is None else f"until {_minute(wall + span)} UTC"
    names = "without names" if settings.trace_anonymous else "with names"
    say(
        f"watching {aloud('store', settings.store)} {until}; nobody is answered, and Nova asks as before"
    )
    say(f"recording in {settings.trace_dir}, {names}, at most {settings.trace_max_mb} MB")
    say(f"musterd report {settings.trace_dir} tells what came of it so far, at any time")


async def serve(settings: Settings, span: float | None, again: Again | None = None) -> None:
    """Watch and record; ``again`` says what SIGHUP does."""
    systemd = Systemd.from_environment(os.environ)
    async with anyio.create_task_group() as stopper:
        stopper.start_soon(stop_on_signal, "shadow stopping", stopper.cancel_scope, systemd)
        with anyio.move_on_after(span):
            async with running(settings) as office, anyio.create_task_group() as tasks:
                systemd.notify(READY="1")
                if again is not None:
                    tasks.start_soon(again(office).run, systemd)
                await keep_telling(systemd, partial(_summary, office))
        stopper.cancel_scope.cancel()


def reloading(settings: Settings, reread: Reread, office: CoordinatorService) -> Reloading:
    """Return what SIGHUP does to a shadow: of ``settings`` as they were given, what can change does."""
    adopt, renew = office.adopt, office.renew
    return Reloading(settings, reread, Role.COORDINATOR, live=LIVE, apply=adopt, renew=renew)


def _summary(office: CoordinatorService) -> str:
    shards = office.shard_statuses()
    heard = sum(shard.listening for shard in shards)
    return f"recording: listening to {heard} of {len(shards)} shards, {office.size} members"


def _minute(seconds: float) -> str:
    return f"{wall_instant(seconds):%Y-%m-%d %H:%M}"
