"""All daemons are started in the same way."""

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module

from musterd.cli.arguments import settings_of
from musterd.errors import ConfigError
from musterd.settings.sources import Loaded


def run_daemon(module: str, args: Namespace, **more: object) -> int:
    """Load the settings, set up the log, say what is odd, and call ``module.run``.

    ``module.run`` is given the settings, a function that loads them anew from where they are
    from, and whatever ``more`` it takes.
    """
    with without("rich"):  # structlog imports it where it is: 5 MB and 40 ms, which no daemon uses
        import structlog

        from musterd import log
        from musterd.settings.reload import keep_hangups
    keep_hangups()  # a terminal that is closed, a script that wants a reload: too early to listen
    loaded = _load(module, args)
    log.configure(loaded.settings.log_level, loaded.settings.log_format)
    for warning in loaded.warnings:
        structlog.get_logger().warning("configuration doubtful", detail=warning)
    try:
        status: int = import_module(module).run(
            loaded.settings, partial(_load, module, args), **more
        )
    finally:
        log.flush()
    return status


@contextmanager
def without(name: str) -> Iterator[None]:
    """Hide the module ``name`` from what is imported meanwhile, unless it was there already.

    It is for the process of a daemon, which is ours: what other programs import never does this.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python spells "not there"
    try:
        yield
    finally:
        del sys.modules[name]


def _load(module: str, args: Namespace) -> Loaded:
    loaded = settings_of(args)
    if module.startswith("musterd_agent") and loaded.unfit_for_agents:
        raise ConfigError(loaded.unfit_for_agents[0])
    return loaded
