"""A trace is opened here by a coordinator's settings."""

from pathlib import Path

import structlog
from anyio import to_thread

from musterd.errors import ConfigError
from musterd.settings.settings import Settings
from musterd.stores import Store
from musterd.trace.folder import TraceFolder
from musterd.trace.writer import TraceWriter
from musterd_coordinator.roll.shard import wall_instant
from musterd_coordinator.roll.view import RollView
from musterd_coordinator.tracing.heading import heading_of
from musterd_coordinator.tracing.recorder import Recorder

log = structlog.get_logger(__name__)

_MEGABYTE = 1_000_000


async def recorder_of(settings: Settings, store: Store, view: RollView) -> Recorder | None:
    """Return what records a trace where ``trace_dir`` says; None where none is wanted.

    A folder that cannot be used is tried again later: it is no reason not to judge.
    """
    if settings.trace_dir is None:
        return None
    folder, wall = folder_of(settings), view.clocks.wall()
    try:
        await to_thread.run_sync(folder.open)
    except (OSError, ConfigError) as error:
        log.warning("trace not opened", folder=settings.trace_dir, reason=str(error))
    run = await to_thread.run_sync(folder.new_run, wall)
    heading = heading_of(settings, store, run, wall_instant(wall))
    log.info("trace opened", folder=str(folder.path), run=run, anonymous=settings.trace_anonymous)
    return Recorder(
        *(view, TraceWriter(folder, run), heading),
        period=settings.sweep_period,
        interval=settings.interval,
    )


def folder_of(settings: Settings) -> TraceFolder:
    """Return the folder that ``trace_dir``, which is set, names."""
    assert settings.trace_dir is not None
    return TraceFolder(Path(settings.trace_dir).absolute(), settings.trace_max_mb * _MEGABYTE)
